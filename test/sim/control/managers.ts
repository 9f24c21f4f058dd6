import type { Clock } from '../../../mesh/base/clock.ts'
import type { NodeId } from '../../../mesh/base/ids.ts'
import { MeshError } from '../../../mesh/base/mesh-error.ts'
import type { Random } from '../../../mesh/base/random.ts'
import type { ApplyResult, Transaction } from '../../../mesh/catalog/types.ts'
import type { LeaderView } from '../../../mesh/node/mesh-node.ts'
import type { Agreement } from './agreement.ts'
import type { Feeds } from './feeds.ts'
import type { Reach } from './reach.ts'

export interface ManagersDeps {
  readonly clock: Clock
  readonly random: Random
  readonly reach: Reach
  readonly agreement: Agreement
  readonly feeds: Feeds
  readonly managers: readonly NodeId[]
}

const reviewMs = 100
/** How long a leader is silent before others vote, and how much longer it may take. */
const electionMs = 600
/** How long a leader that nobody hears any more, or that was replaced, may not know it. */
const illusionMs = 1500
const giveUpMs = 4000
const lateMs = 3000
const nobody: LeaderView = { leader: null, isSelf: false, term: 0 }

/**
 * Raft as its users see it, faults included: leaders that change, that do not know yet that they were
 * replaced, answers that are lost although the write took effect, or will.
 */
export class Managers {
  readonly #deps: ManagersDeps
  readonly #views = new Map<NodeId, LeaderView>()
  readonly #watchers = new Map<NodeId, (view: LeaderView) => void>()
  #leader: NodeId | null = null
  #term = 0
  #silentSinceMs: number | null = null
  /** In percent, of writes whose answer is lost or that take effect late. */
  lossPercent = 0
  elections = 0

  constructor(deps: ManagersDeps) {
    this.#deps = deps
    deps.clock.every(reviewMs, () => this.#review())
  }

  get leader(): NodeId | null {
    return this.#leader
  }

  view(node: NodeId): LeaderView {
    return this.#views.get(node) ?? nobody
  }

  watch(node: NodeId, listener: (view: LeaderView) => void): () => void {
    this.#watchers.set(node, listener)
    listener(this.view(node))
    return () => this.#watchers.delete(node)
  }

  /** Its process ended: it knows nothing any more. */
  forget(node: NodeId): void {
    this.#watchers.delete(node)
    this.#views.delete(node)
    if (this.#leader === node) this.#leader = null
  }

  /** Another one leads from now on; the former one learns of it some time later. */
  replaceLeader(): void {
    const { random } = this.#deps
    const others = this.#electable().filter((node) => node !== this.#leader)
    const next = others[random.below(Math.max(1, others.length))]
    if (next !== undefined) this.#elect(next)
  }

  async propose(from: NodeId, transaction: Transaction): Promise<ApplyResult> {
    const { agreement, feeds, random } = this.#deps
    await this.#travel()
    if (!this.#isInTouch(from)) {
      await this.#pause(giveUpMs)
      throw unknownFate(transaction, this.view(from).isSelf)
    }
    const isLost = random.below(100) < this.lossPercent
    // It may be in a log already when its writer stops waiting.
    if (isLost && random.below(2) === 0) {
      const lateByMs = giveUpMs + random.below(lateMs)
      this.#deps.clock.after(lateByMs, () => void agreement.append(transaction))
      await this.#pause(giveUpMs)
      throw unknownFate(transaction, true)
    }
    const result = agreement.append(transaction)
    if (isLost) {
      await this.#pause(giveUpMs)
      throw unknownFate(transaction, true)
    }
    await feeds.applied(from, result.index)
    return result
  }

  async barrier(from: NodeId): Promise<void> {
    const { agreement, feeds } = this.#deps
    await this.#travel()
    if (!this.#isInTouch(from)) {
      await this.#pause(giveUpMs)
      throw new MeshError({ code: 'raft/no-leader', unreachable: [] })
    }
    await feeds.applied(from, agreement.index)
  }

  /** It talks with a leader that has a majority. */
  #isInTouch(node: NodeId): boolean {
    const leader = this.#leader
    if (leader === null || !this.#hasMajority(leader)) return false
    return leader === node || this.#deps.reach.reaches(leader, node)
  }

  #hasMajority(node: NodeId): boolean {
    const { reach, managers } = this.#deps
    const near = managers.filter((other) => reach.reaches(node, other))
    return near.length > managers.length / 2
  }

  #electable(): NodeId[] {
    return this.#deps.managers.filter((node) => this.#hasMajority(node))
  }

  #review(): void {
    const { clock, random } = this.#deps
    const isSound = this.#leader !== null && this.#hasMajority(this.#leader)
    if (isSound) this.#silentSinceMs = null
    else this.#silentSinceMs ??= clock.monotonicMs() + random.below(electionMs)
    this.#tellAll()
    if (this.#silentSinceMs === null) return
    if (clock.monotonicMs() - this.#silentSinceMs < electionMs) return
    const candidates = this.#electable()
    const next = candidates[random.below(Math.max(1, candidates.length))]
    if (next !== undefined) this.#elect(next)
  }

  #elect(next: NodeId): void {
    const { clock, random } = this.#deps
    const former = this.#leader
    this.#leader = next
    this.#term++
    this.elections++
    this.#silentSinceMs = null
    this.#show(next, { leader: next, isSelf: true, term: this.#term })
    if (former === null || former === next) return
    clock.after(random.below(illusionMs), () => this.#disillusion(former))
  }

  #disillusion(former: NodeId): void {
    if (former === this.#leader || !this.#deps.reach.isUp(former)) return
    if (this.view(former).isSelf) this.#show(former, { ...nobody, term: this.#term })
  }

  /** Who does not lead learns who does as soon as it hears it. */
  #tellAll(): void {
    const { reach, managers, clock, random } = this.#deps
    for (const node of managers) {
      const view = this.view(node)
      if (!reach.isUp(node) || node === this.#leader) continue
      if (view.isSelf) {
        clock.after(illusionMs + random.below(illusionMs), () => this.#disillusion(node))
        continue
      }
      const leader = this.#isInTouch(node) ? this.#leader : null
      if (leader !== view.leader) this.#show(node, { leader, isSelf: false, term: this.#term })
    }
  }

  #show(node: NodeId, view: LeaderView): void {
    this.#views.set(node, view)
    this.#watchers.get(node)?.(view)
  }

  #travel(): Promise<void> {
    return this.#pause(1 + this.#deps.random.below(30))
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#deps.clock.after(ms, resolve))
  }
}

function unknownFate({ request }: Transaction, isSent: boolean): MeshError {
  if (!isSent) return new MeshError({ code: 'raft/no-leader', unreachable: [] })
  return new MeshError({ code: 'raft/outcome-unknown', request })
}
