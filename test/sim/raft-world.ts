import type { NodeId } from '../../mesh/base/ids.ts'
import { SeededRandom } from '../../mesh/base/random.ts'
import { FakeClock, settleMicrotasks } from '../support/fake-clock.ts'
import { MemoryNetwork } from '../support/memory-network.ts'
import { Trace } from './digest.ts'
import { foundInJoint, foundSimply } from './raft-founding.ts'
import { RaftChecker } from './raft-checker.ts'
import { RaftMachine, targetOf } from './raft-machine.ts'
import { RaftNetwork } from './raft-network.ts'
import { Tally } from './tally.ts'
import type { Report, Violation } from './violation.ts'

const letters = ['a', 'b', 'c', 'd', 'e'] as const

/** What a seed decides before anything happens. */
export interface Setting {
  readonly seed: number
  readonly managers: number
  /** The cluster stands in the middle of a joint change of membership all the time. */
  readonly isJoint: boolean
  readonly snapshotEveryEntries: number
  readonly segmentBytes: number
}

export function settingOf(seed: number): Setting {
  const random = new SeededRandom(seed * 7919)
  const isJoint = random.below(4) === 0
  return {
    seed,
    isJoint,
    managers: isJoint ? 5 : 3 + random.below(3),
    snapshotEveryEntries: [4, 10, 25, 60][random.below(4)] ?? 10,
    segmentBytes: 2048 << random.below(5),
  }
}

/** Five machines, the network between them, and who watches it all. */
export class RaftWorld {
  readonly setting: Setting
  readonly clock = new FakeClock(settleMicrotasks)
  readonly random: SeededRandom
  readonly trace = new Trace()
  readonly tally = new Tally()
  readonly violations: Violation[] = []
  readonly checker: RaftChecker
  readonly weather: RaftNetwork
  readonly network: MemoryNetwork
  readonly machines: readonly RaftMachine[]
  /** What becomes of a machine whose process ended by itself. */
  onEnded: (machine: RaftMachine) => void = () => {}
  /** After every message that a node sent, and after it has cut its log. */
  onSent: (from: RaftMachine, kind: string) => void = () => {}

  constructor(setting: Setting) {
    this.setting = setting
    this.random = new SeededRandom(setting.seed)
    this.checker = new RaftChecker(this.report)
    const machineOf = (node: NodeId): RaftMachine | undefined =>
      this.machines.find(({ id }) => id === node)
    this.weather = new RaftNetwork({
      random: this.random,
      tally: this.tally,
      deliver: (to, act) => machineOf(to)?.whenRunning(act),
      onMessage: (from, to, message) => {
        const [sender, receiver] = [machineOf(from), machineOf(to)]
        if (sender === undefined) return
        const { kind, term, index, commit, reject } = message
        this.trace.note(kind)
        this.trace.mix(this.nowMs, term, index, commit, from.charCodeAt(0), to.charCodeAt(0))
        this.checker.sent(sender.name, receiver?.name ?? to, message)
        this.onSent(sender, reject ? 'refusal' : kind)
      },
    })
    this.network = new MemoryNetwork({
      clock: this.clock,
      random: this.random,
      redialMs: 200,
      faults: this.weather,
    })
    this.machines = letters.map(
      (letter) =>
        new RaftMachine(letter, {
          clock: this.clock,
          network: this.network,
          random: this.random,
          checker: this.checker,
          report: this.report,
          snapshotEveryEntries: setting.snapshotEveryEntries,
          segmentBytes: setting.segmentBytes,
          peers: () => this.machines.map(({ id }) => id),
          onCut: (machine) => this.onSent(machine, 'cut'),
          onEnded: (machine) => this.onEnded(machine),
        }),
    )
  }

  get nowMs(): number {
    return this.clock.monotonicMs()
  }

  readonly report: Report = (rule, what) => {
    this.trace.note(rule)
    this.violations.push({ rule, what, atMs: Math.round(this.nowMs) })
  }

  found(): void {
    const [first, ...others] = this.machines
    const names = this.machines.map(({ name }) => name)
    const { isJoint, managers } = this.setting
    first?.start((storage) =>
      isJoint ? foundInJoint(storage, names) : foundSimply(storage, names, managers),
    )
    for (const machine of others) machine.start()
  }

  /** Everybody knows where everybody is: a machine has come back as another node. */
  retarget(): void {
    const targets = this.machines.map(({ id }) => targetOf(id))
    for (const { id } of this.machines) this.network.transport(id)?.setTargets(targets)
  }

  /** Of those that run; of several that think they lead, the one of the latest term. */
  leader(): RaftMachine | null {
    let best: { readonly machine: RaftMachine; readonly term: number } | null = null
    for (const machine of this.machines) {
      const view = machine.consensus?.leader()
      if (view?.isSelf === true && view.term > (best?.term ?? 0))
        best = { machine, term: view.term }
    }
    return best?.machine ?? null
  }

  pick<T>(items: readonly T[]): T {
    return items[this.random.below(items.length)] as T
  }
}
