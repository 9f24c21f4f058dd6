import type { End, EndHandler } from './end.ts'
import type { CloseCause, Slab } from './loop.ts'

export interface JunctionWatcher {
  /** Both ends are closed or reset. */
  onFinished(cause: CloseCause): void
}

/**
 * Two ends joined: bytes, half-closes and resets of the one pass to the other, and whoever cannot
 * send holds up whoever reads.
 */
export class Junction implements EndHandler {
  readonly #left: End
  readonly #right: End
  readonly #watcher: JunctionWatcher
  #open = 2
  #hasMoved = true
  #quietLooks = 0

  constructor(ends: { readonly left: End; readonly right: End }, watcher: JunctionWatcher) {
    this.#left = ends.left
    this.#right = ends.right
    this.#watcher = watcher
  }

  start(): void {
    this.#left.setHandler(this)
    this.#right.setHandler(this)
    this.#left.resume()
    this.#right.resume()
  }

  /** How many calls in a row, this one included, found that nothing had passed since the last. */
  countQuietLooks(): number {
    this.#quietLooks = this.#hasMoved ? 0 : this.#quietLooks + 1
    this.#hasMoved = false
    return this.#quietLooks
  }

  reset(cause: CloseCause): void {
    if (this.#open === 0) return
    this.#open = 0
    this.#left.reset()
    this.#right.reset()
    this.#watcher.onFinished(cause)
  }

  onReceive(end: End, slab: Slab, offset: number, length: number): void {
    this.#hasMoved = true
    if (!this.#other(end).send(slab, offset, length)) end.pause()
  }

  onEnd(end: End): void {
    this.#hasMoved = true
    this.#other(end).shutdown()
  }

  onDrained(end: End): void {
    this.#other(end).resume()
  }

  onClosed(_end: End, cause: CloseCause): void {
    if (cause !== 'ended') {
      this.reset(cause)
      return
    }
    // An end closes in order only after both half-closes: the other one may still be flushing.
    this.#open -= 1
    if (this.#open === 0) this.#watcher.onFinished('ended')
  }

  #other(end: End): End {
    return end === this.#left ? this.#right : this.#left
  }
}
