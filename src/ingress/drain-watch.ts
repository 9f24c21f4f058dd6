import type { Clock } from '../../mesh/base/clock.ts'

const lookMs = 25

/** Looks after tasks that drain: says how many connections are open, at once and at every change. */
export class DrainWatch {
  readonly #clock: Clock
  readonly #openOf: (task: string) => number
  readonly #tell: (task: string, open: number) => void
  readonly #told = new Map<string, number>()
  #endLooking: (() => void) | null = null

  constructor(
    clock: Clock,
    openOf: (task: string) => number,
    tell: (task: string, open: number) => void,
  ) {
    this.#clock = clock
    this.#openOf = openOf
    this.#tell = tell
  }

  watch(task: string): void {
    this.#told.set(task, -1)
    this.#look()
    if (this.#told.size > 0) this.#endLooking ??= this.#clock.every(lookMs, () => this.#look())
  }

  stop(): void {
    this.#endLooking?.()
    this.#endLooking = null
  }

  /** A draining task gets no new connections, so zero is final. */
  #look(): void {
    for (const [task, told] of this.#told) {
      const open = this.#openOf(task)
      if (open !== told) this.#tell(task, open)
      if (open === 0) this.#told.delete(task)
      else this.#told.set(task, open)
    }
    if (this.#told.size === 0) this.stop()
  }
}
