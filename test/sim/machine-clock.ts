import type { Clock } from '../../mesh/base/clock.ts'
import type { FakeClock } from '../support/fake-clock.ts'

/**
 * The clock of one process: it runs faster or slower than the world, stands still while the process
 * is paused, and ends with it.
 */
export class MachineClock implements Clock {
  readonly #world: FakeClock
  /** What a timer throws comes here. */
  readonly #guard: (act: () => void) => void
  /** By how much its wall clock is wrong. */
  readonly #skewMs: number
  #rate = 1
  #anchor: { readonly worldMs: number; readonly localMs: number }
  /** What fell due during a pause, in order; null while the process runs. */
  #held: (() => void)[] | null = null
  #isOver = false

  constructor(world: FakeClock, guard: (act: () => void) => void, skewMs = 0) {
    this.#world = world
    this.#skewMs = skewMs
    this.#guard = guard
    this.#anchor = { worldMs: world.monotonicMs(), localMs: 0 }
  }

  get isPaused(): boolean {
    return this.#held !== null
  }

  nowMs(): number {
    return this.#world.nowMs() + this.#skewMs
  }

  monotonicMs(): number {
    const { worldMs, localMs } = this.#anchor
    return localMs + (this.#world.monotonicMs() - worldMs) * this.#rate
  }

  /** How many of its own milliseconds pass in one of the world's. */
  setRate(rate: number): void {
    this.#anchor = { worldMs: this.#world.monotonicMs(), localMs: this.monotonicMs() }
    this.#rate = rate
  }

  after(delayMs: number, action: () => void): () => void {
    let isCancelled = false
    const act = (): void => {
      if (!isCancelled) action()
    }
    const cancel = this.#world.after(delayMs / this.#rate, () => this.whenRunning(act))
    return () => {
      isCancelled = true
      cancel()
    }
  }

  /** As Node's: a period that was slept through is not made up for. */
  every(periodMs: number, action: () => void): () => void {
    let isEnded = false
    let cancel: (() => void) | null = null
    const again = (): void => {
      cancel = this.after(periodMs, () => {
        if (isEnded) return
        again()
        action()
      })
    }
    again()
    return () => {
      isEnded = true
      cancel?.()
    }
  }

  /** Now or, when the process is paused, as soon as it goes on; never when it has ended. */
  whenRunning(act: () => void): void {
    if (this.#isOver) return
    if (this.#held !== null) this.#held.push(act)
    else this.#guard(act)
  }

  pause(): void {
    this.#held ??= []
  }

  resume(): void {
    const held = this.#held ?? []
    this.#held = null
    for (const act of held) this.whenRunning(act)
  }

  end(): void {
    this.#isOver = true
    this.#held = null
  }
}
