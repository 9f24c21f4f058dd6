import type { Clock } from '../../mesh/base/clock.ts'
import type { CancelDial } from './dial-task.ts'
import type { DialFailure, DialHandler, End } from './end.ts'

/**
 * Gives up a dial through a peer that does not answer in time, whatever holds it: the peer may be
 * frozen, and membership takes longer to find out than a client should wait.
 */
export class DialGuard implements DialHandler {
  readonly #handler: DialHandler
  readonly #cancelTimeout: () => void
  #cancelDial: CancelDial = () => {}
  #isOver = false

  constructor(handler: DialHandler, clock: Clock, limitMs: number) {
    this.#handler = handler
    this.#cancelTimeout = clock.after(limitMs, () => {
      if (!this.#end()) return
      this.#cancelDial()
      handler.onFailed({ kind: 'failed', cause: 'timed-out' })
    })
  }

  /** What the dial answered with; the returned function gives up both. */
  guard(cancelDial: CancelDial): CancelDial {
    if (!this.#isOver) this.#cancelDial = cancelDial
    return () => {
      if (this.#end()) this.#cancelDial()
    }
  }

  onOpen(end: End): void {
    if (this.#end()) this.#handler.onOpen(end)
  }

  onFailed(failure: DialFailure): void {
    if (this.#end()) this.#handler.onFailed(failure)
  }

  #end(): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    this.#cancelTimeout()
    return true
  }
}
