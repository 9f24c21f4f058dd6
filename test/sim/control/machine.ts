import type { NodeId, NodeRole } from '../../../mesh/base/ids.ts'
import { silentLog } from '../../../mesh/base/log.ts'
import type { Change } from '../../../mesh/catalog/types.ts'
import { Agent } from '../../../src/agent/agent.ts'
import { Leader } from '../../../src/leader/leader.ts'
import { feedAgent } from '../../../src/meshd/agent-feed.ts'
import { ClusterStore } from '../../../src/meshd/cluster-store.ts'
import { serviceById } from '../../../src/model/service-view.ts'
import { MachineClock } from '../machine-clock.ts'
import type { ControlWorld } from './world.ts'
import type { EngineSession } from './rough-engine.ts'
import { RoughEngine } from './rough-engine.ts'

/** One life of the daemon: the product's own drivers, between the twins of mesh and engine. */
interface Life {
  readonly clock: MachineClock
  readonly session: EngineSession
  readonly store: ClusterStore
  readonly leader: Leader | null
}

const dataPathPeriodMs = 1000

/** A machine with an engine, on which a daemon runs, ends and starts again. */
export class ControlMachine {
  readonly id: NodeId
  readonly role: NodeRole
  readonly engine: RoughEngine
  readonly #world: ControlWorld
  readonly #skewMs: number
  isPowered = true
  #life: Life | null = null
  #proposals = 0

  constructor(id: NodeId, role: NodeRole, world: ControlWorld) {
    this.id = id
    this.role = role
    this.#world = world
    this.#skewMs = world.random.below(1600) - 800
    const { clock, random } = world
    const started = (taskId: string): void => world.checker.started(taskId, this)
    this.engine = new RoughEngine({ clock, random, started })
  }

  get isUp(): boolean {
    return this.#life !== null
  }

  start(): void {
    if (this.#life !== null) return
    const { world, id } = { world: this.#world, id: this.id }
    const clock = new MachineClock(world.clock, (act) => act(), this.#skewMs)
    this.isPowered = true
    world.records.begin(id)
    const store = new ClusterStore({
      watchCatalog: (listener) => world.feeds.watch(id, listener),
      watchMembers: (listener) => world.sightings.watch(id, listener),
      watchRecords: (listener) => world.records.watch(id, listener),
    })
    const session = this.engine.open()
    const leader = this.role === 'manager' ? this.#lead(store, clock) : null
    this.#life = { clock, session, store, leader }
    clock.every(dataPathPeriodMs, () => this.#tryDataPaths(store))
    world.reach.setUp(id, true)
    void this.#runAgent(this.#life)
  }

  /** kill -9: containers run on, and what the engine was asked for is done. */
  crash(): void {
    const life = this.#life
    if (life === null) return
    this.#life = null
    life.clock.end()
    life.session.end()
    life.leader?.stop()
    life.store[Symbol.dispose]()
    const { feeds, records, sightings, managers, reach } = this.#world
    for (const part of [feeds, records, sightings, managers]) part.forget(this.id)
    reach.setUp(this.id, false)
  }

  /** The whole machine: no container runs on, no data path answers. */
  losePower(): void {
    this.crash()
    this.isPowered = false
    this.engine.exitAll()
  }

  #lead(store: ClusterStore, clock: MachineClock): Leader {
    const world = this.#world
    const { managers, random } = world
    const leader = new Leader({
      mesh: {
        propose: (changes) => this.#propose(store, clock, changes),
        barrier: () => managers.barrier(this.id),
        watchLeader: (listener) => managers.watch(this.id, listener),
      },
      view: () => store.view,
      watchView: (listener) => store.onChange(listener),
      clock,
      random,
      log: silentLog,
    })
    leader.start()
    return leader
  }

  /** What it looked at is what its store holds: it proposes in the same turn. */
  #propose(
    store: ClusterStore,
    clock: MachineClock,
    changes: readonly Change[],
  ): ReturnType<Leader['stop'] extends () => void ? ControlWorld['managers']['propose'] : never> {
    const { checker, managers, agreement } = this.#world
    const seen = agreement.at(store.view.catalog.index)
    checker.judgePass(seen, changes, this.id)
    const request = `pass ${this.id} ${this.#world.nowMs} ${this.#proposals++} ${seen.index}`
    return managers.propose(this.id, { request, atMs: clock.nowMs(), changes })
  }

  async #runAgent({ clock, session, store }: Life): Promise<void> {
    const { records, random, managers, clusterId } = this.#world
    const { id, role } = this
    const agent = new Agent(
      { cluster: clusterId, node: id, hostname: id, apiAddress: '10.0.0.1:2377', labels: {} },
      {
        engine: session,
        clock,
        log: silentLog,
        publish: (key, value) => {
          if (this.#life?.session === session) records.publish(id, key, value)
        },
        targetPorts: (serviceId) =>
          (serviceById(store.view.catalog, serviceId)?.ports ?? []).map((port) => port.targetPort),
        drained: (_task, deadlineMs) =>
          new Promise((resolve) => void clock.after(random.below(deadlineMs), resolve)),
        probe: () => Promise.resolve(random.below(4) > 0),
      },
    )
    await agent.start()
    agent.setIngress({ ingressReady: true, portConflicts: {} })
    const barrier = (): Promise<void> => managers.barrier(id)
    await feedAgent(agent, { node: { self: id, role, barrier, isCurrent: true }, store, clock })
  }

  #tryDataPaths(store: ClusterStore): void {
    for (const other of this.#world.machines) {
      const answers = other.isPowered && this.#world.reach.isWired(this.id, other.id)
      store.setDataPath(other.id, answers)
    }
  }
}
