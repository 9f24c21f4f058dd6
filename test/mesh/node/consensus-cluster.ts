import { isId, nodeId, type NodeId, type NodeRole } from '../../../mesh/base/ids.ts'
import { silentLog, type Log } from '../../../mesh/base/log.ts'
import { SeededRandom } from '../../../mesh/base/random.ts'
import type { MemberAddress, MeshPolicy } from '../../../mesh/catalog/policy.ts'
import type { CatalogReader, Change } from '../../../mesh/catalog/types.ts'
import { Consensus } from '../../../mesh/node/consensus.ts'
import { foundLog } from '../../../mesh/node/found-log.ts'
import { segmentBytesOf } from '../../../mesh/node/snapshot-taker.ts'
import { RaftStorage } from '../../../mesh/storage/raft-storage.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { MemoryDisk } from '../../support/memory-disk.ts'
import { MemoryNetwork } from '../../support/memory-network.ts'
import type { MemoryHost } from '../../support/memory-network.ts'

export const idOf = (name: string): NodeId => nodeId(name.padEnd(25, '0'))

/** A node of the test's catalog: its name and role are all that matters. */
export const createNode = (name: string, role: NodeRole): Change => ({
  kind: 'create',
  object: { kind: 'node', id: idOf(name), claims: [`name/node/${name}`], body: { name, role } },
})

export const createService = (id: string): Change => ({
  kind: 'create',
  object: { kind: 'service', id, claims: [`name/service/${id}`], body: { id } },
})

/** Nodes are objects with a role; a worker sees services, and tasks that are its own. */
export const testPolicy: MeshPolicy = {
  roleOf: (catalog, node) => {
    const body = catalog.get('node', node)?.body as { role: NodeRole } | undefined
    return body?.role ?? null
  },
  members: (catalog) => catalog.list('node').map((object) => addressOf(object.id, object.body)),
  authority: () => null,
  authorityTrust: () => null,
  rotationDue: () => [],
  found: () => [],
  admit: () => [],
  survive: () => [],
  gossipKeys: () => null,
  beginKeyChange: () => [],
  keyChangeDue: () => [],
  isKeyWorn: () => false,
  project: (catalog, worker) => [
    ...catalog.list('service'),
    ...catalog.list('task').filter((task) => (task.body as { node: string }).node === worker),
  ],
}

function addressOf(id: string, body: unknown): MemberAddress {
  if (!isId(id)) throw new TypeError(`not a node id: ${id}`)
  const { name, role } = body as { name: string; role: NodeRole }
  const address = `${name}:7946`
  return {
    node: nodeId(id),
    name,
    role,
    peerId: name,
    gossipAddress: address,
    controlAddress: address,
    dataPathAddress: address,
  }
}

export interface Manager {
  readonly name: string
  readonly consensus: Consensus
  readonly host: MemoryHost
  readonly fatals: Error[]
}

export interface ClusterOptions {
  readonly seed?: number
  readonly log?: Log
  readonly snapshotEvery?: number
  readonly logBytesMax?: number
  /** Other nodes to keep connections to. */
  readonly reachable?: readonly string[]
}

/** Managers in one process: a fake clock, a network and disks in memory. */
export class ConsensusCluster {
  readonly clock = new FakeClock()
  readonly network: MemoryNetwork
  readonly disks = new Map<string, MemoryDisk>()
  readonly managers = new Map<string, Manager>()
  readonly #names: string[]
  readonly #random: SeededRandom
  readonly #log: Log
  readonly snapshotEveryEntries: number
  readonly #logBytesMax: number

  constructor(names: readonly string[], options: ClusterOptions = {}) {
    this.#random = new SeededRandom(options.seed ?? 1)
    this.#names = [...names, ...(options.reachable ?? [])]
    this.#log = options.log ?? silentLog
    this.snapshotEveryEntries = options.snapshotEvery ?? 10_000
    this.#logBytesMax = options.logBytesMax ?? 64 * 1024 * 1024
    this.network = new MemoryNetwork({ clock: this.clock, random: this.#random })
  }

  /** The first of the names founds the cluster, which admits the others as managers. */
  static async founded(
    names: readonly string[],
    options: ClusterOptions = {},
  ): Promise<ConsensusCluster> {
    const cluster = new ConsensusCluster(names, options)
    const [first, ...others] = names
    if (first === undefined) return cluster
    await cluster.start(first, [createNode(first, 'manager')])
    if (!(await cluster.runUntil(() => cluster.leaderName() === first))) {
      throw new Error('the founder does not lead')
    }
    for (const name of others) {
      await cluster.start(name)
      await cluster.write(first, createNode(name, 'manager'))
    }
    const isWhole = await cluster.runUntil(() => others.every((name) => cluster.knows(name, 0)))
    if (!isWhole) throw new Error('the managers did not come together')
    return cluster
  }

  host(name: string): MemoryHost {
    const host = this.network.attach(idOf(name), `${name}:7946`)
    const targets = this.#names.map((other) => ({
      node: idOf(other),
      peerId: other,
      address: `${other}:7946`,
    }))
    host.transport.setTargets(targets)
    return host
  }

  /** Starts or restarts a manager; with `founding` as the first of a new cluster. */
  async start(name: string, founding?: readonly Change[]): Promise<Manager> {
    const disk = this.disks.get(name) ?? new MemoryDisk()
    this.disks.set(name, disk)
    const log = this.#log.child(name)
    const storage = await RaftStorage.open({
      disk,
      log,
      segmentBytes: segmentBytesOf(this.#logBytesMax),
    })
    const self = idOf(name)
    if (founding !== undefined) {
      await foundLog(storage, self, { request: 'founding', atMs: 1, changes: founding })
    }
    const fatals: Error[] = []
    const host = this.host(name)
    const consensus = new Consensus({
      self,
      policy: testPolicy,
      storage,
      transport: host.transport,
      clock: this.clock,
      random: this.#random,
      log,
      fatal: (error) => fatals.push(error),
      snapshotEveryEntries: this.snapshotEveryEntries,
      logBytesMax: this.#logBytesMax,
    })
    const manager = { name, consensus, host, fatals }
    this.managers.set(name, manager)
    return manager
  }

  /** Kills the process; of what it had not synced at most `tornBytes` reach the disk. */
  crash(name: string, tornBytes = 0): void {
    this.network.crash(idOf(name), 'refused')
    this.disks.get(name)?.crash(tornBytes)
    this.managers.delete(name)
  }

  manager(name: string): Manager {
    const manager = this.managers.get(name)
    if (manager === undefined) throw new Error(`${name} does not run`)
    return manager
  }

  consensus(name: string): Consensus {
    return this.manager(name).consensus
  }

  runUntil(condition: () => boolean, limitMs = 10_000): Promise<boolean> {
    return this.clock.runUntil(condition, limitMs)
  }

  leaderName(): string | undefined {
    return [...this.managers.values()].find(({ consensus }) => consensus.leader().isSelf)?.name
  }

  /** The name of a leader that all running managers agree on. */
  async agreedLeader(): Promise<string> {
    const agreed = (): string | undefined => {
      const views = [...this.managers.values()].map(({ consensus }) => consensus.leader().leader)
      const [first] = views
      const isAgreed = first !== null && views.every((view) => view === first)
      return isAgreed ? this.leaderName() : undefined
    }
    await this.runUntil(() => agreed() !== undefined)
    const leader = agreed()
    if (leader === undefined) throw new Error('no leader that all agree on')
    return leader
  }

  /** Whether a manager is a voter in the eyes of all, and has applied at least `index`. */
  knows(name: string, index: number): boolean {
    return [...this.managers.values()].every(
      ({ consensus }) =>
        consensus.catalog().index >= index && consensus.voters().includes(idOf(name)),
    )
  }

  /** Proposes and lets time pass until the outcome is known. */
  async write(through: string, ...changes: Change[]): Promise<number> {
    const request = `r${this.#random.below(2 ** 32)}`
    const atMs = this.clock.nowMs()
    const result = await this.settled(this.consensus(through).propose({ request, atMs, changes }))
    if (result.kind === 'refused') throw new Error(`refused: ${result.refusal.code}`)
    return result.index
  }

  /** The outcome of a promise that needs time to pass. */
  async settled<T>(promise: Promise<T>, limitMs = 10_000): Promise<T> {
    let isSettled = false
    const note = (): void => {
      isSettled = true
    }
    promise.then(note, note)
    await this.runUntil(() => isSettled, limitMs)
    if (!isSettled) throw new Error('never settled')
    return promise
  }

  async stop(): Promise<void> {
    for (const { consensus } of this.managers.values()) await consensus.stop()
  }
}

export const has = (catalog: CatalogReader, service: string): boolean =>
  catalog.get('service', service) !== undefined
