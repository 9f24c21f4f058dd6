import type { NodeIdentity } from '../../mesh/identity/node-identity.ts'
import { IngressLink } from '../../src/meshd/ingress-link.ts'
import { spawnIngress } from '../../src/meshd/ingress-process.ts'
import { defaultIngressOptions } from '../../src/model/ingress-options.ts'
import type { Listener, LocalTask, Peer, RouteTable } from '../../src/routing/route-table.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { ingressVersion } from '../../src/wire/ingress-version.ts'
import { eventually } from '../../test/support/daemon.ts'
import { ports, type Contender } from './contender.ts'
import type { PairFacts } from './haproxy.ts'
import type { Path } from './rows.ts'
import type { Stage } from './stage.ts'

const entryHost = '127.0.57.1'
const farHost = '127.0.57.2'
const dataPathPort = 4789
const targetPort = 80

/** The ingress of two nodes, led as their daemons lead it; a task runs on each. */
export async function startOurs(stage: Stage, facts: PairFacts): Promise<Contender> {
  const { entry, far, backend } = facts
  const pids = [
    await startIngress(stage, entry, entryHost, {
      version: 1,
      self: entry.nodeId,
      listeners: listenersOf(facts),
      peers: [peerOf(far, farHost)],
      localTasks: [taskOf('here', backend)],
    }),
    await startIngress(stage, far, farHost, {
      version: 1,
      self: far.nodeId,
      listeners: [],
      peers: [peerOf(entry, entryHost)],
      localTasks: [taskOf('there', backend)],
    }),
  ]
  const at = (path: Path): string => `${entryHost}:${ports[path]}`
  return {
    name: 'meshd',
    pids,
    addresses: {
      tcp: at('tcp'),
      http: at('http'),
      'far-tcp': at('far-tcp'),
      'far-http': at('far-http'),
    },
    settings: 'engine net, a worker per core, default labels',
  }
}

const taskOf = (task: string, backend: string): LocalTask => ({
  task,
  generation: 1,
  draining: false,
  targets: { [targetPort]: backend },
})

const peerOf = ({ nodeId }: NodeIdentity, host: string): Peer => ({
  node: nodeId,
  address: `${host}:${dataPathPort}`,
})

function listenersOf({ entry, far }: PairFacts): Listener[] {
  const listener = (path: Path, protocol: 'tcp' | 'http', isFar: boolean): Listener => ({
    protocol: 'tcp',
    port: ports[path],
    serviceId: `service-${path}`,
    serviceName: path,
    options: { ...defaultIngressOptions, protocol },
    endpoints: [
      {
        task: isFar ? 'there' : 'here',
        node: isFar ? far.nodeId : entry.nodeId,
        generation: 1,
        targetPort,
        preferred: true,
      },
    ],
  })
  return [
    listener('tcp', 'tcp', false),
    listener('http', 'http', false),
    listener('far-tcp', 'tcp', true),
    listener('far-http', 'http', true),
  ]
}

async function startIngress(
  stage: Stage,
  identity: NodeIdentity,
  host: string,
  table: RouteTable,
): Promise<number> {
  const dataDir = stage.makeFolder(host)
  const ingress = spawnIngress({
    dataDir,
    listenAddr: host,
    dataPathPort,
    workers: null,
    logFormat: 'json',
    logLevel: 'warn',
    logName: '',
  })
  stage.atEnd(() => ingress.kill())
  let link: IngressLink | null = null
  await eventually('the ingress answers', 20_000, async () => {
    link = await IngressLink.connect(dataDir, ingressVersion, systemClock)
    return link !== null
  })
  const found = link as IngressLink | null
  if (found === null) throw new Error('no ingress')
  stage.atEnd(() => found.close())
  found.listen({ onMessage: () => {}, onClosed: () => {} })
  found.send({ kind: 'identity', identity })
  found.sendRoutes(table)
  return found.pid
}
