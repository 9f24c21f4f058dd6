import type { Address, CloseCause, Conn, ConnectionHandler, Loop, Slab } from './loop.ts'
import type { Traffic } from './traffic.ts'

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

/** A client's connection as an end; counts as open until it is closed. */
export class ClientEnd implements End, ConnectionHandler {
  readonly #loop: Loop
  readonly #conn: Conn
  readonly #traffic: Traffic
  #handler: EndHandler | null = null
  #isOpen = true

  constructor(loop: Loop, conn: Conn, traffic: Traffic) {
    this.#loop = loop
    this.#conn = conn
    this.#traffic = traffic
    traffic.opened += 1
    traffic.open += 1
  }

  get remoteAddress(): Address {
    return this.#loop.remoteAddress(this.#conn)
  }

  get localAddress(): Address {
    return this.#loop.localAddress(this.#conn)
  }

  setHandler(handler: EndHandler): void {
    this.#handler = handler
  }

  send(slab: Slab, offset: number, length: number): boolean {
    this.#traffic.bytesOut += length
    return this.#loop.send(this.#conn, slab, offset, length)
  }

  pause(): void {
    this.#loop.pause(this.#conn)
  }

  resume(): void {
    this.#loop.resume(this.#conn)
  }

  shutdown(): void {
    this.#loop.shutdown(this.#conn)
  }

  reset(): void {
    this.#over()
    this.#loop.reset(this.#conn)
  }

  onConnected(): void {}

  onReceive(_conn: Conn, slab: Slab, offset: number, length: number): void {
    this.#traffic.bytesIn += length
    this.#handler?.onReceive(this, slab, offset, length)
  }

  onEnd(): void {
    this.#handler?.onEnd(this)
  }

  onDrained(): void {
    this.#handler?.onDrained(this)
  }

  onClosed(_conn: Conn, cause: CloseCause): void {
    this.#over()
    this.#handler?.onClosed(this, cause)
  }

  #over(): void {
    if (this.#isOpen) this.#traffic.open -= 1
    this.#isOpen = false
  }
}
