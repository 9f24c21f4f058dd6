import type { CloseCause, Slab } from './loop.ts'

/** One end of a relayed connection: a socket of the loop, or a stream of a tunnel. Starts paused. */
export interface End {
  setHandler(handler: EndHandler): void
  /** As `Loop.send`: takes the slab; false asks the source to pause until `onDrained`. */
  send(slab: Slab, offset: number, length: number): boolean
  pause(): void
  resume(): void
  /** Half-close, after everything that was sent. */
  shutdown(): void
  /** At once; no event follows. */
  reset(): void
}

export interface EndHandler {
  /** The receiver owns the slab from here on. */
  onReceive(end: End, slab: Slab, offset: number, length: number): void
  onEnd(end: End): void
  onDrained(end: End): void
  /** The last event. */
  onClosed(end: End, cause: CloseCause): void
}

/** What becomes of a dial: exactly one of the two is called, unless it is given up first. */
export interface DialHandler {
  onOpen(end: End): void
  onFailed(failure: DialFailure): void
}

/** `gone`: the other side does not run that task (any more), which is not the task's failure. */
export type DialFailure =
  | { readonly kind: 'gone' }
  | { readonly kind: 'failed'; readonly cause: CloseCause }
