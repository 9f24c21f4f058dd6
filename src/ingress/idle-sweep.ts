import type { Clock } from '../../mesh/base/clock.ts'

/** Something through which bytes should pass now and then. */
export interface Quietable {
  /** How many calls in a row, this one included, found that nothing had passed since the last. */
  countQuietLooks(): number
}

/** Looks within the idle time: the more, the closer to it somebody idle is found. */
const looks = 4

/** Finds what has been quiet for a time, at most a quarter later, without a timer for each. */
export class IdleSweep<T extends Quietable> {
  readonly #clock: Clock
  readonly #onIdle: (one: T) => void
  readonly #watched = new Set<T>()
  #idleMs: number
  #endLooking: () => void

  constructor(clock: Clock, idleMs: number, onIdle: (one: T) => void) {
    this.#clock = clock
    this.#onIdle = onIdle
    this.#idleMs = idleMs
    this.#endLooking = this.#startLooking()
  }

  get size(): number {
    return this.#watched.size
  }

  add(one: T): void {
    this.#watched.add(one)
  }

  delete(one: T): void {
    this.#watched.delete(one)
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#watched[Symbol.iterator]()
  }

  /** From now on; what was quiet before counts from the next look. */
  setIdleMs(idleMs: number): void {
    if (idleMs === this.#idleMs) return
    this.#idleMs = idleMs
    this.#endLooking()
    this.#endLooking = this.#startLooking()
  }

  stop(): void {
    this.#endLooking()
  }

  #startLooking(): () => void {
    return this.#clock.every(this.#idleMs / looks, () => this.#look())
  }

  #look(): void {
    for (const one of this.#watched) if (one.countQuietLooks() >= looks) this.#onIdle(one)
  }
}
