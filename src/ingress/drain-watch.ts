import type { Clock } from '../../mesh/base/clock.ts'

export interface DrainWatchDeps {
  readonly clock: Clock
  /** Whether nobody sends the task new connections any more. */
  readonly isDropped: (task: string) => boolean
  readonly openOf: (task: string) => number
  readonly tell: (task: string, open: number) => void
}

const lookMs = 25
/** A peer that does not say that it has dropped a task is told GONE: no reason to wait longer. */
const dropLimitMs = 2000

interface Watched {
  readonly dropByMs: number
  isDropped: boolean
  told: number
}

/**
 * Looks after tasks that drain: as soon as everybody has dropped one it says how many connections
 * are open, then every change. What it says first therefore also means that none will be added.
 */
export class DrainWatch {
  readonly #deps: DrainWatchDeps
  readonly #watched = new Map<string, Watched>()
  #endLooking: (() => void) | null = null

  constructor(deps: DrainWatchDeps) {
    this.#deps = deps
  }

  watch(task: string): void {
    const dropByMs = this.#deps.clock.monotonicMs() + dropLimitMs
    this.#watched.set(task, { dropByMs, isDropped: false, told: -1 })
    this.#lookAtAll()
    if (this.#watched.size === 0) return
    this.#endLooking ??= this.#deps.clock.every(lookMs, () => this.#lookAtAll())
  }

  stop(): void {
    this.#endLooking?.()
    this.#endLooking = null
  }

  #lookAtAll(): void {
    for (const [task, watched] of this.#watched) this.#look(task, watched)
    if (this.#watched.size === 0) this.stop()
  }

  /** It gets no new connections, so zero is final. */
  #look(task: string, watched: Watched): void {
    const { clock, isDropped, openOf, tell } = this.#deps
    watched.isDropped ||= isDropped(task) || clock.monotonicMs() >= watched.dropByMs
    if (!watched.isDropped) return
    const open = openOf(task)
    if (open !== watched.told) tell(task, open)
    watched.told = open
    if (open === 0) this.#watched.delete(task)
  }
}
