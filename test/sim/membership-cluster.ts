import type { Clock } from '../../mesh/base/clock.ts'
import type { Datagrams } from '../../mesh/base/datagrams.ts'
import { nodeId, type NodeId } from '../../mesh/base/ids.ts'
import { silentLog } from '../../mesh/base/log.ts'
import { SeededRandom } from '../../mesh/base/random.ts'
import type { MembershipOptions } from '../../mesh/membership/options.ts'
import type { Seed } from '../../mesh/membership/message.ts'
import type { Member, MemberState } from '../../mesh/membership/types.ts'
import { MembershipDriver } from '../../mesh/node/membership-driver.ts'
import { FakeClock, settleMicrotasks } from '../support/fake-clock.ts'
import { MemoryNetwork, type MemoryHost, type NetworkFaults } from '../support/memory-network.ts'
import { MachineClock } from './machine-clock.ts'

export interface SimulatedMember {
  readonly id: NodeId
  readonly driver: MembershipDriver
  readonly host: MemoryHost
}

/** Something that a member was told of another. */
export interface Sighting {
  readonly by: NodeId
  readonly of: NodeId
  readonly state: MemberState
  readonly atMs: number
}

/** What is different about this life of a member. */
export interface Life {
  /** Added to its wall clock. */
  readonly clockMs?: number
  readonly address?: string
}

export interface MembershipClusterOptions {
  readonly nodes: number
  readonly seed: number
  readonly lossPercent?: number
  /** Without connections every crash is found out by pings alone. */
  readonly connections?: boolean
  readonly membership?: Partial<MembershipOptions>
  /** False while nothing gets through in this direction. */
  readonly passes?: (from: NodeId, to: NodeId) => boolean
}

/** Header and tag of a sealed packet. */
const sealBytes = 45

/** Real drivers on a network in memory: production's composition, at the speed of the processor. */
export class MembershipCluster {
  readonly clock = new FakeClock(settleMicrotasks)
  readonly network: MemoryNetwork
  readonly sightings: Sighting[] = []
  /** All that members sent, sealed, without the headers of IP. */
  sentBytes = 0
  sentPackets = 0
  readonly #running = new Map<NodeId, SimulatedMember>()
  readonly #clocks = new Map<NodeId, MachineClock>()
  /** Packets that came while a process stood still. */
  readonly #unread = new Map<NodeId, (() => void)[]>()
  readonly #options: MembershipClusterOptions
  readonly #random: SeededRandom
  readonly #seeds: Seed[]

  constructor(options: MembershipClusterOptions) {
    this.#options = options
    this.#random = new SeededRandom(options.seed)
    this.network = new MemoryNetwork({
      clock: this.clock,
      random: this.#random,
      lossPercent: options.lossPercent ?? 0,
      delayMs: 1,
      jitterMs: 4,
      ...(options.passes !== undefined && { faults: faultsOf(options.passes) }),
    })
    this.#seeds = Array.from({ length: options.nodes }, (_, at) => seedOf(at))
    for (const { id } of this.#seeds) {
      this.start(id)
      // Machines do not boot in the same millisecond.
      this.clock.advance(this.#random.below(40))
    }
  }

  get ids(): readonly NodeId[] {
    return this.#seeds.map(({ id }) => id)
  }

  get running(): readonly SimulatedMember[] {
    return [...this.#running.values()]
  }

  id(at: number): NodeId {
    return (this.#seeds[at] as Seed).id
  }

  member(id: NodeId): SimulatedMember {
    return this.#running.get(id) as SimulatedMember
  }

  start(id: NodeId, { clockMs = 0, address }: Life = {}): void {
    const known = (this.#seeds.find((seed) => seed.id === id) as Seed).meta
    const meta = address === undefined ? known : { ...known, gossipAddress: address }
    const host = this.network.attach(id, meta.gossipAddress)
    const clock = new MachineClock(this.clock, (act) => act())
    this.#clocks.get(id)?.end()
    this.#clocks.set(id, clock)
    const { membership, connections = true } = this.#options
    const driver = new MembershipDriver(
      {
        datagrams: this.#metered(host, clock),
        transport: host.transport,
        clock: withWallClock(clock, clockMs),
        random: this.#random,
        log: silentLog,
      },
      { self: id, meta, ...(membership !== undefined && { membership }) },
    )
    this.#running.set(id, { id, driver, host })
    host.transport.onConnection((node, event) => driver.connectionEvent(node, event))
    driver.watch((members) => this.#note(id, members))
    driver.join(this.#seeds)
    if (connections) host.transport.setTargets(this.#seeds.map(targetOf))
  }

  /**
   * It stands still for so long. Then, as in Node, what timers missed comes first: packets lie unread
   * while the process thinks that nobody answered.
   */
  pause(id: NodeId, durationMs: number): void {
    const clock = this.#clocks.get(id)
    clock?.pause()
    this.clock.after(durationMs, () => {
      clock?.resume()
      for (const read of this.#unread.get(id)?.splice(0) ?? []) read()
    })
  }

  crash(id: NodeId, how: 'refused' | 'silent'): void {
    this.member(id).driver.stop()
    this.#running.delete(id)
    this.network.crash(id, how)
  }

  /** What everybody who runs holds of that node, each state once. */
  statesOf(id: NodeId): MemberState[] {
    const states = this.running
      .filter((member) => member.id !== id)
      .map(({ driver }) => stateAt(driver, id))
    return [...new Set(states)]
  }

  /** How long it takes until everybody holds this of that node; null when it is over the limit. */
  msUntil(id: NodeId, state: MemberState, limitMs: number): number | null {
    for (let passedMs = 0; passedMs <= limitMs; passedMs += 10) {
      const states = this.statesOf(id)
      if (states.length === 1 && states[0] === state) return passedMs
      this.clock.advance(10)
    }
    return null
  }

  #metered({ node, datagrams }: MemoryHost, clock: MachineClock): Datagrams {
    const unread: (() => void)[] = []
    this.#unread.set(node, unread)
    return {
      send: (to, packet) => {
        this.sentBytes += packet.length + sealBytes
        this.sentPackets++
        datagrams.send(to, packet)
      },
      onPacket: (listener) => {
        datagrams.onPacket((from, packet) => {
          const read = (): void => clock.whenRunning(() => listener(from, packet))
          if (clock.isPaused) unread.push(read)
          else read()
        })
      },
    }
  }

  #note(by: NodeId, members: readonly Member[]): void {
    const atMs = this.clock.monotonicMs()
    for (const { id: of, state } of members) this.sightings.push({ by, of, state, atMs })
  }
}

const faultsOf = (passes: NetworkFaults['passes']): NetworkFaults => ({
  travel: () => [1],
  passes,
  deliver: (_, act) => act(),
})

const withWallClock = (clock: Clock, aheadMs: number): Clock => ({
  nowMs: () => clock.nowMs() + aheadMs,
  monotonicMs: () => clock.monotonicMs(),
  after: (delayMs, action) => clock.after(delayMs, action),
  every: (periodMs, action) => clock.every(periodMs, action),
})

function stateAt(driver: MembershipDriver, id: NodeId): MemberState {
  return driver.members().find((member) => member.id === id)?.state ?? 'left'
}

function seedOf(at: number): Seed {
  const address = (port: number): string => `10.0.0.${at + 1}:${port}`
  return {
    id: nodeId(`node${at}`.padEnd(25, 'x')),
    meta: {
      name: `n${at + 1}`,
      gossipAddress: address(7946),
      controlAddress: address(2377),
      dataPathAddress: address(4789),
    },
  }
}

const targetOf = ({ id, meta }: Seed) => ({ node: id, peerId: id, address: meta.gossipAddress })
