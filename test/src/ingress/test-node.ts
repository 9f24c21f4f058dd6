import type { NodeId } from '../../../mesh/base/ids.ts'
import type { NodeIdentity } from '../../../mesh/identity/node-identity.ts'
import { defaultIngressOptions, type IngressOptions } from '../../../src/model/ingress-options.ts'
import { Census } from '../../../src/ingress/census.ts'
import { NetLoop } from '../../../src/ingress/net-loop.ts'
import type { Place } from '../../../src/ingress/place.ts'
import { Plane } from '../../../src/ingress/plane.ts'
import { TlsChannels } from '../../../src/ingress/tunnel/tls-channels.ts'
import { NetDatagrams } from '../../../src/ingress/udp/net-datagrams.ts'
import type { FromWorker } from '../../../src/ingress/worker-message.ts'
import type { Endpoint, LocalTask, Peer, RouteTable } from '../../../src/routing/route-table.ts'
import { systemClock } from '../../../src/runtime/system-clock.ts'
import { systemRandom } from '../../../src/runtime/system-random.ts'

export interface TableFacts {
  readonly port: number
  readonly protocol?: 'tcp' | 'udp'
  readonly endpoints?: readonly Endpoint[]
  readonly localTasks?: readonly LocalTask[]
  readonly peers?: readonly Peer[]
  readonly options?: Partial<IngressOptions>
}

let versions = 0

/** A table with one service on one port. */
export function tableOf(self: NodeId, facts: TableFacts): RouteTable {
  versions += 1
  return {
    version: versions,
    self,
    listeners: [
      {
        protocol: facts.protocol ?? 'tcp',
        port: facts.port,
        serviceId: 'service-web',
        serviceName: 'web',
        options: { ...defaultIngressOptions, ...facts.options },
        endpoints: facts.endpoints ?? [],
      },
    ],
    peers: facts.peers ?? [],
    localTasks: facts.localTasks ?? [],
  }
}

export const targetPort = 80

export const endpointOf = (task: string, node: NodeId, generation = 1): Endpoint => ({
  task,
  node,
  generation,
  targetPort,
  preferred: true,
})

export const taskAt = (task: string, address: string, draining = false): LocalTask => ({
  task,
  generation: 1,
  draining,
  targets: { [targetPort]: address },
})

/** One plane in this process, on a loopback address of its own. */
export class TestNode {
  readonly identity: NodeIdentity
  readonly address: string
  readonly dataPathPort: number
  readonly said: FromWorker[] = []
  readonly plane: Plane

  constructor(identity: NodeIdentity, at: { readonly address: string; readonly port: number }) {
    this.identity = identity
    this.address = at.address
    this.dataPathPort = at.port
    this.plane = new Plane(
      { listenAddress: at.address, dataPathPort: at.port, isShared: true },
      {
        loop: new NetLoop(systemClock),
        datagrams: new NetDatagrams(),
        channels: new TlsChannels(systemClock),
        clock: systemClock,
        random: systemRandom,
        census: new Census([Census.memory()], 0, 1),
        tell: (message) => this.said.push(message),
      },
    )
    this.plane.receive({ kind: 'identity', identity })
  }

  get id(): NodeId {
    return this.identity.nodeId
  }

  get peer(): Peer {
    const host = this.address.includes(':') ? `[${this.address}]` : this.address
    return { node: this.id, address: `${host}:${this.dataPathPort}` }
  }

  route(facts: TableFacts): void {
    this.plane.receive({ kind: 'routes', table: tableOf(this.id, facts) })
    const { protocol = 'tcp', port } = facts
    this.listen([{ protocol, host: this.address, port }])
  }

  listen(places: readonly Place[]): void {
    this.plane.receive({ kind: 'ports', places, dataPath: true })
  }

  /** What it last said of a peer; undefined when nothing yet. */
  answers(peer: NodeId): boolean | undefined {
    return this.said
      .filter((message) => message.kind === 'peer-status')
      .findLast((message) => message.node === peer)?.answers
  }

  warnings(): string[] {
    return this.said
      .filter((message) => message.kind === 'warning')
      .map((message) => `${message.message}: ${String(message.facts['because'])}`)
  }

  openConnections(task: string): number | undefined {
    return this.said
      .filter((message) => message.kind === 'open-connections')
      .findLast((message) => message.task === task)?.open
  }
}
