import { nodeId, type NodeId } from '../../mesh/base/ids.ts'
import { silentLog } from '../../mesh/base/log.ts'
import { SeededRandom } from '../../mesh/base/random.ts'
import type { Seed } from '../../mesh/membership/message.ts'
import type { Member, MemberState } from '../../mesh/membership/types.ts'
import { MembershipDriver } from '../../mesh/node/membership-driver.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { MemoryNetwork, type MemoryHost } from '../support/memory-network.ts'

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

/** Real drivers on a network in memory: production's composition, at the speed of the processor. */
export class MembershipCluster {
  readonly clock = new FakeClock()
  readonly network: MemoryNetwork
  readonly sightings: Sighting[] = []
  readonly #running = new Map<NodeId, SimulatedMember>()
  readonly #random: SeededRandom
  readonly #seeds: Seed[]
  /** Without connections every crash is found out by pings alone. */
  readonly #hasConnections: boolean

  constructor(given: { nodes: number; seed: number; lossPercent?: number; connections?: boolean }) {
    this.#random = new SeededRandom(given.seed)
    this.#hasConnections = given.connections ?? true
    this.network = new MemoryNetwork({
      clock: this.clock,
      random: this.#random,
      lossPercent: given.lossPercent ?? 0,
      delayMs: 1,
      jitterMs: 4,
    })
    this.#seeds = Array.from({ length: given.nodes }, (_, at) => seedOf(at))
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

  start(id: NodeId): void {
    const { meta } = this.#seeds.find((seed) => seed.id === id) as Seed
    const host = this.network.attach(id, meta.gossipAddress)
    const driver = new MembershipDriver(
      { datagrams: host.datagrams, clock: this.clock, random: this.#random, log: silentLog },
      { self: id, meta },
    )
    this.#running.set(id, { id, driver, host })
    host.transport.onConnection((node, event) => driver.connectionEvent(node, event))
    driver.watch((members) => this.#note(id, members))
    driver.join(this.#seeds)
    if (this.#hasConnections) host.transport.setTargets(this.#seeds.map(targetOf))
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

  #note(by: NodeId, members: readonly Member[]): void {
    const atMs = this.clock.monotonicMs()
    for (const { id: of, state } of members) this.sightings.push({ by, of, state, atMs })
  }
}

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
