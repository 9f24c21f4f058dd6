import type { NodeId } from '../../mesh/base/ids.ts'
import type { TornTail } from '../support/memory-disk.ts'
import type { RaftClients } from './raft-clients.ts'
import type { RaftMachine } from './raft-machine.ts'
import { fairWeather } from './raft-network.ts'
import type { RaftOperator } from './raft-operator.ts'
import type { RaftWorld } from './raft-world.ts'

type Way = readonly [NodeId, NodeId]

/** How a fault looks for its moment: what a node has just said or done may be what it must not forget. */
const crashAfter: ReadonlyMap<string, number> = new Map([
  ['vote-response', 12],
  ['vote', 4],
  ['append-response', 1],
  ['append', 1],
  ['snapshot', 20],
  ['cut', 150],
])
const perMille = 1000

/** Everything that goes wrong, drawn from the seed. The mix is the same for every seed. */
export class RaftFaults {
  readonly #world: RaftWorld
  readonly #operator: RaftOperator
  readonly #clients: RaftClients
  #isOver = false

  constructor(world: RaftWorld, others: { operator: RaftOperator; clients: RaftClients }) {
    this.#world = world
    this.#operator = others.operator
    this.#clients = others.clients
    world.onEnded = (machine) => this.#restartLater(machine, 2000)
    world.onSent = (from, kind) => this.#maybeCrashAfter(from, kind)
  }

  start(): void {
    const { clock, random } = this.#world
    clock.after(200 + random.below(4000), () => {
      if (this.#isOver) return
      this.#strike()
      this.start()
    })
  }

  /** Nothing goes wrong any more, and what went wrong is mended. */
  heal(): void {
    this.#isOver = true
    this.#world.onSent = () => {}
    this.#world.weather.heal()
    for (const machine of this.#world.machines) {
      machine.disk.isFull = false
      machine.disk.failSyncs(0)
      machine.syncMs = { least: 1, spread: 3 }
      machine.setClockRate(1)
      machine.resume()
      if (!machine.isLost) machine.start()
    }
  }

  readonly #mix: readonly (readonly [number, () => string | null])[] = [
    [14, () => this.#crash(this.#victim())],
    [2, () => this.#crashAll()],
    [8, () => this.#pause()],
    [14, () => this.#cut('isolated', this.#isolate())],
    [6, () => this.#cut('halves', this.#halves())],
    [5, () => this.#cut('bridge', this.#bridge())],
    [4, () => this.#cut('ring', this.#ring())],
    [8, () => this.#cut('one way', this.#oneWay())],
    [6, () => this.#slowNetwork()],
    [5, () => this.#storm()],
    [4, () => this.#clockDrift()],
    [5, () => this.#slowDisk()],
    [3, () => this.#syncError()],
    [3, () => this.#fullDisk()],
    [3, () => this.#handOver()],
    [3, () => this.#restart()],
    [5, () => this.#demote()],
    [7, () => this.#promote()],
    [2, () => this.#damage()],
    [4, () => this.#rush()],
  ]

  #strike(): void {
    const { random, tally, trace } = this.#world
    const weights = this.#mix.reduce((sum, [weight]) => sum + weight, 0)
    let drawn = random.below(weights)
    for (const [weight, act] of this.#mix) {
      drawn -= weight
      if (drawn >= 0) continue
      const kind = act()
      if (kind === null) return
      tally.count(kind)
      trace.note(kind)
      return
    }
  }

  /** Leaders more often than others: there is more to be lost with them. */
  #victim(): RaftMachine {
    const { random, machines } = this.#world
    const leader = this.#world.leader()
    return leader !== null && random.below(2) === 0 ? leader : this.#world.pick(machines)
  }

  /** Runs after some time, unless all is over by then. */
  #later(leastMs: number, mostMs: number, act: () => void): void {
    const { clock, random } = this.#world
    clock.after(leastMs + random.below(mostMs - leastMs), () => {
      if (!this.#isOver) act()
    })
  }

  #restartLater(machine: RaftMachine, mostMs: number): void {
    const { clock, random } = this.#world
    clock.after(20 + random.below(mostMs), () => {
      if (!machine.isLost) machine.start()
    })
  }

  #tornTail(machine: RaftMachine): TornTail {
    const { random } = this.#world
    const bytes = random.below(2) === 0 ? 0 : random.below(400)
    // A whole record may stand behind the bit: then nobody can tell the tail from rot, and the node
    // must come back as another one.
    const isTurned = bytes > 0 && random.below(2) === 0 && this.#operator.mayLose(machine)
    if (!isTurned) return { bytes }
    this.#world.tally.count('bit turned in a torn tail')
    return { bytes, flippedAt: random.below(bytes) }
  }

  #crash(machine: RaftMachine): string | null {
    if (!machine.isUp) return null
    const { random, tally } = this.#world
    const torn = this.#tornTail(machine)
    if (torn.bytes > 0) tally.count('torn write')
    if (torn.flippedAt !== undefined) machine.isDiskHurt = true
    machine.crash(random.below(3) === 0 ? 'silent' : 'refused', torn)
    this.#restartLater(machine, random.below(3) === 0 ? 6000 : 600)
    return 'crash'
  }

  #crashAll(): string {
    for (const machine of this.#world.machines) this.#crash(machine)
    return 'power loss of all'
  }

  #maybeCrashAfter(machine: RaftMachine, kind: string): void {
    const { random, clock, tally } = this.#world
    const chance = crashAfter.get(kind) ?? 0
    if (chance === 0 || random.below(perMille) >= chance) return
    clock.after(random.below(4), () => {
      if (!this.#isOver && this.#crash(machine) !== null) tally.count(`crash after ${kind}`)
    })
  }

  #pause(): string | null {
    const machine = this.#victim()
    if (!machine.isUp || machine.isPaused) return null
    machine.pause()
    this.#maybeRush()
    this.#later(100, 4000, () => machine.resume())
    return 'pause'
  }

  #cut(kind: string, ways: readonly Way[]): string {
    const { random, weather, network } = this.#world
    const mend = weather.block(ways)
    // Half of the time everybody is told at once, half of the time frames just vanish.
    if (random.below(2) === 0) {
      for (const [from, to] of ways) network.transport(from)?.breakLinks((peer) => peer === to)
    }
    this.#maybeRush()
    this.#later(200, 5000, mend)
    return `partition: ${kind}`
  }

  #isolate(): Way[] {
    const { id } = this.#victim()
    return this.#ids().flatMap((other) => (other === id ? [] : both(id, other)))
  }

  #halves(): Way[] {
    const [one, other] = this.#split()
    return one.flatMap((from) => other.flatMap((to) => both(from, to)))
  }

  /** Two sides that one machine alone still reaches. */
  #bridge(): Way[] {
    const [bridge, ...others] = this.#shuffledIds()
    const cut = others
      .slice(0, 2)
      .flatMap((from) => others.slice(2).flatMap((to) => both(from, to)))
    return bridge === undefined ? [] : cut
  }

  /** Everybody reaches two neighbours only. */
  #ring(): Way[] {
    const ids = this.#shuffledIds()
    const isFar = (one: number, other: number): boolean => {
      const distance = Math.abs(one - other)
      return distance !== 1 && distance !== ids.length - 1
    }
    return ids.flatMap((from, at) =>
      ids.flatMap((to, index): Way[] => (at < index && isFar(at, index) ? both(from, to) : [])),
    )
  }

  #oneWay(): Way[] {
    const [from, to] = this.#split()
    return from.flatMap((sender) => to.map((receiver): Way => [sender, receiver]))
  }

  #slowNetwork(): string {
    const { random, weather } = this.#world
    const nodes = random.below(2) === 0 ? this.#ids() : [this.#victim().id]
    this.#later(
      500,
      6000,
      weather.slowDown(nodes, 5 + random.below(random.below(2) === 0 ? 50 : 700)),
    )
    return 'slow network'
  }

  #storm(): string {
    const { random, weather } = this.#world
    const chance = (): number => random.below(2000)
    weather.weather = { lossChance: chance(), doubleChance: chance(), strayChance: chance() }
    this.#later(500, 4000, () => {
      weather.weather = fairWeather
    })
    return 'storm'
  }

  #clockDrift(): string {
    const { random } = this.#world
    this.#victim().setClockRate((70 + random.below(70)) / 100)
    return 'clock drift'
  }

  #slowDisk(): string {
    const machine = this.#victim()
    machine.syncMs = { least: 5, spread: 20 + this.#world.random.below(800) }
    this.#later(500, 5000, () => {
      machine.syncMs = { least: 1, spread: 3 }
    })
    return 'slow disk'
  }

  #syncError(): string | null {
    const machine = this.#victim()
    if (!machine.isUp) return null
    machine.isDiskHurt = true
    machine.disk.failSyncs(1)
    return 'fsync error'
  }

  #fullDisk(): string {
    const machine = this.#victim()
    const { disk } = machine
    machine.isDiskHurt = true
    disk.isFull = true
    this.#later(100, 4000, () => {
      disk.isFull = false
    })
    return 'full disk'
  }

  #handOver(): string | null {
    const leader = this.#world.leader()
    leader?.whenRunning(() => void leader.consensus?.handOver())
    return leader === null ? null : 'leadership handed over'
  }

  #restart(): string | null {
    const machine = this.#victim()
    if (!machine.isUp) return null
    machine.whenRunning(() => {
      void machine.stopGracefully().then(() => this.#restartLater(machine, 1000))
    })
    return 'graceful restart'
  }

  #demote(): string | null {
    return this.#operator.demote(this.#victim()) ? 'manager demoted' : null
  }

  #promote(): string | null {
    const worker = this.#world.machines.find((machine) => !this.#operator.isManager(machine))
    return worker !== undefined && this.#operator.promote(worker) ? 'manager promoted' : null
  }

  /** Everything on its disk is found to be damaged at the next start. */
  #damage(): string | null {
    const machine = this.#victim()
    if (!machine.isUp || !this.#operator.mayLose(machine)) return null
    machine.crash('silent', { bytes: 0 })
    machine.isLost = true
    return 'disk lost'
  }

  /** What a leader that is one no more says is worth most while others go on without it. */
  #maybeRush(): void {
    if (this.#world.random.below(2) === 0) this.#clients.rush(2000)
  }

  #rush(): string {
    this.#clients.rush(300 + this.#world.random.below(1500))
    return 'rush of writes'
  }

  #ids(): NodeId[] {
    return this.#world.machines.map(({ id }) => id)
  }

  #shuffledIds(): NodeId[] {
    return this.#split().flat()
  }

  /** Two sides, neither of them empty. */
  #split(): [NodeId[], NodeId[]] {
    const left = this.#ids()
    const side: NodeId[] = []
    const size = 1 + this.#world.random.below(left.length - 1)
    for (let at = 0; at < size; at++) {
      side.push(...left.splice(this.#world.random.below(left.length), 1))
    }
    return [side, left]
  }
}

const both = (one: NodeId, other: NodeId): Way[] => [
  [one, other],
  [other, one],
]
