import { nodeId, type NodeId } from '../../../mesh/base/ids.ts'
import { SeededRandom } from '../../../mesh/base/random.ts'
import { meshPolicy } from '../../../src/model/mesh-policy.ts'
import { FakeClock, settleMicrotasks } from '../../support/fake-clock.ts'
import { Trace } from '../digest.ts'
import { Tally } from '../tally.ts'
import type { Report, Violation } from '../violation.ts'
import { Agreement } from './agreement.ts'
import { ControlChecker } from './checker.ts'
import { Feeds } from './feeds.ts'
import { ControlMachine } from './machine.ts'
import { Managers } from './managers.ts'
import { Reach } from './reach.ts'
import { Records } from './records.ts'
import { addressOf, Sightings } from './sightings.ts'

const letters = ['a', 'b', 'c', 'd', 'e', 'f']
const managerCount = 3

/** Three managers and three workers, everything between them, and who watches it all. */
export class ControlWorld {
  readonly seed: number
  readonly clusterId = 'cluster'.padEnd(25, '0')
  readonly clock = new FakeClock(settleMicrotasks)
  readonly random: SeededRandom
  readonly trace = new Trace()
  readonly tally = new Tally()
  readonly violations: Violation[] = []
  readonly agreement = new Agreement()
  readonly checker: ControlChecker
  readonly reach: Reach
  readonly feeds: Feeds
  readonly records: Records
  readonly sightings: Sightings
  readonly managers: Managers
  readonly machines: readonly ControlMachine[]

  constructor(seed: number) {
    this.seed = seed
    this.random = new SeededRandom(seed)
    const { clock, random, agreement } = this
    const nodes = letters.map((letter) => nodeId(`n${letter}`.padEnd(25, '0')))
    const managers = nodes.slice(0, managerCount)
    const reach = new Reach(nodes, clock)
    this.reach = reach
    this.checker = new ControlChecker(this)
    agreement.onAgreed((agreed) => this.checker.agreed(agreed))
    this.feeds = new Feeds({ clock, random, reach, agreement, managers })
    this.records = new Records({ clock, random, reach })
    this.sightings = new Sightings({ clock, random, reach })
    const { feeds } = this
    this.managers = new Managers({ clock, random, reach, agreement, feeds, managers })
    this.machines = nodes.map(
      (node) => new ControlMachine(node, managers.includes(node) ? 'manager' : 'worker', this),
    )
    this.#found(nodes, managers)
    for (const machine of this.machines) machine.start()
  }

  get nowMs(): number {
    return this.clock.monotonicMs()
  }

  readonly report: Report = (rule, what) => {
    this.trace.note(rule)
    this.violations.push({ rule, what, atMs: Math.round(this.nowMs) })
  }

  pick<T>(items: readonly T[]): T {
    return items[this.random.below(items.length)] as T
  }

  #found(nodes: readonly NodeId[], managers: readonly NodeId[]): void {
    const [founder, ...joiners] = nodes.map((node, at) => ({
      node,
      role: managers.includes(node) ? ('manager' as const) : ('worker' as const),
      name: node.slice(0, 2),
      peerId: `peer ${node}`,
      keyDigest: '00',
      raftId: at + 1,
      gossipAddress: addressOf(node),
      controlAddress: addressOf(node),
      dataPathAddress: addressOf(node),
      availability: 'active' as const,
      description: {
        Hostname: node.slice(0, 2),
        Platform: { Architecture: 'x86_64', OS: 'linux' },
        Resources: { NanoCPUs: 4e9, MemoryBytes: 4e9 },
        Engine: { EngineVersion: '1', Labels: {} },
        Runtime: 'docker',
      },
    }))
    if (founder === undefined) return
    const atMs = this.clock.nowMs()
    const authority = {
      clusterId: this.clusterId,
      caCertificatePem: '',
      caKeyPem: '',
      joinSecrets: { manager: 'm', worker: 'w' },
      gossipKeys: [],
    }
    const changes = [
      ...meshPolicy.found(authority, founder, atMs),
      ...joiners.flatMap((joiner) => meshPolicy.admit(joiner, atMs)),
    ]
    this.agreement.append({ request: 'founding', atMs, changes })
  }
}
