import { MeshError } from '../../mesh/base/mesh-error.ts'
import type { LeaderView } from '../../mesh/node/mesh-node.ts'
import type { Explanation } from '../orchestrator/explain.ts'
import { emptyMemory, type OrchestratorMemory } from '../orchestrator/memory.ts'
import { sealPass } from '../orchestrator/pass-seal.ts'
import { reconcile, type Reconciled } from '../orchestrator/reconcile.ts'
import type { LeaderDeps } from './leader.ts'

/** At most one write in this time, however much happens; what happens meanwhile is taken together. */
const passPeriodMs = 100
const backOffLimitMs = 2_000
/** Timers of the platform overflow at 25 days; a look too many costs nothing. */
const longestSleepMs = 60_000

/** `stale` says that our picture of the catalog can no longer be trusted to be the latest. */
type Outcome = 'done' | 'refused' | 'stale'

/** One term in which this node leads: looks, proposes, and looks again. */
export class Reign {
  readonly #view: LeaderView
  readonly #deps: LeaderDeps
  #memory: OrchestratorMemory = emptyMemory
  #explanations: ReadonlyMap<string, Explanation> = new Map()
  /** The view must show our own last write before it is judged again, or that is made twice. */
  #writtenIndex = 0
  #hasNews = true
  #wakeAtMs: number | null = null
  #resume: (() => void) | null = null
  #isOver = false

  constructor(view: LeaderView, deps: LeaderDeps) {
    this.#view = view
    this.#deps = deps
  }

  get term(): number {
    return this.#view.term
  }

  get explanations(): ReadonlyMap<string, Explanation> {
    return this.#explanations
  }

  /** Something changed. */
  look(): void {
    this.#hasNews = true
    this.#resume?.()
  }

  end(): void {
    this.#isOver = true
    this.#resume?.()
  }

  async run(): Promise<void> {
    this.#deps.log.info({ term: this.term }, 'this node leads')
    let isCurrent = false
    let failures = 0
    while (!this.#isOver) {
      if (!isCurrent) isCurrent = await this.#catchUp()
      const outcome: Outcome = isCurrent ? await this.#pass() : 'stale'
      isCurrent &&= outcome !== 'stale'
      failures = outcome === 'done' ? 0 : failures + 1
      await this.#pause(outcome === 'done' ? passPeriodMs : backOffMs(failures))
      if (outcome === 'done') await this.#untilNews()
    }
  }

  /** A new leader's catalog may lack writes that an earlier one acknowledged. */
  async #catchUp(): Promise<boolean> {
    try {
      await this.#deps.mesh.barrier()
      return true
    } catch (error) {
      this.#explainFault(error, 'cannot read the latest catalog yet')
      return false
    }
  }

  async #pass(): Promise<Outcome> {
    const { view, clock, random, mesh, log } = this.#deps
    const now = view()
    if (this.#isOver || now.catalog.index < this.#writtenIndex) return 'done'
    this.#hasNews = false
    const answer = reconcile({ view: now, nowMs: clock.nowMs(), random, memory: this.#memory })
    this.#keep(answer)
    if (answer.changes.length === 0) return 'done'
    try {
      const result = await mesh.propose(sealPass(answer.changes, now.catalog, this.#view))
      if (result.kind === 'refused') {
        // Somebody was quicker; what they wrote decides what is needed now.
        log.debug({ refusal: result.refusal.code }, 'a pass was refused')
        return 'refused'
      }
      this.#writtenIndex = result.index
      log.debug({ changes: answer.changes.length, index: result.index }, 'a pass was written')
      return 'done'
    } catch (error) {
      this.#explainFault(error, 'a pass could not be written')
      return 'stale'
    }
  }

  #keep(answer: Reconciled): void {
    for (const node of answer.memory.givenUp) {
      if (this.#memory.givenUp.has(node)) continue
      this.#deps.log.warn({ node }, 'a node is lost: its tasks run elsewhere')
    }
    this.#memory = answer.memory
    this.#explanations = answer.explanations
    this.#wakeAtMs = answer.wakeAtMs
  }

  #explainFault(error: unknown, message: string): void {
    if (!(error instanceof MeshError)) throw error
    if (!this.#isOver) this.#deps.log.warn({ fault: error.fault }, message)
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#deps.clock.after(ms, resolve)
    })
  }

  /** Returns at once when something changed since the last look, and when the time has come. */
  #untilNews(): Promise<void> {
    if (this.#hasNews || this.#isOver) return Promise.resolve()
    const { clock } = this.#deps
    return new Promise((resolve) => {
      let cancel: (() => void) | null = null
      this.#resume = () => {
        this.#resume = null
        cancel?.()
        resolve()
      }
      if (this.#wakeAtMs === null) return
      const sleepMs = Math.min(longestSleepMs, Math.max(0, this.#wakeAtMs - clock.nowMs()))
      cancel = clock.after(sleepMs, () => this.#resume?.())
    })
  }
}

const backOffMs = (failures: number): number =>
  Math.min(backOffLimitMs, passPeriodMs * 2 ** (failures - 1))
