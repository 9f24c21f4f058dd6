import type { DialHandler, End, EndHandler } from './end.ts'
import type { Address, CloseCause, Conn, ConnectionHandler, Loop, Slab } from './loop.ts'
import type { Traffic } from './traffic.ts'

export interface TaskDial {
  readonly address: Address
  readonly timeoutMs: number
  /** Sent ahead of everything else, as soon as the task has accepted. */
  readonly preface: Uint8Array | null
  readonly traffic: Traffic
}

/** The connection to a task of this node; counts as open from the dial on, so that a drain waits. */
export class TaskEnd implements End, ConnectionHandler {
  readonly #loop: Loop
  readonly #given: TaskDial
  readonly #conn: Conn
  #dial: DialHandler | null
  #handler: EndHandler | null = null
  #isOpen = true

  constructor(loop: Loop, given: TaskDial, dial: DialHandler) {
    this.#loop = loop
    this.#given = given
    this.#dial = dial
    given.traffic.opened += 1
    given.traffic.open += 1
    this.#conn = loop.connect(given.address, this, given.timeoutMs)
  }

  setHandler(handler: EndHandler): void {
    this.#handler = handler
  }

  send(slab: Slab, offset: number, length: number): boolean {
    this.#given.traffic.bytesIn += length
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

  /** Also gives up a dial that is under way. */
  reset(): void {
    this.#dial = null
    this.#over()
    this.#loop.reset(this.#conn)
  }

  onConnected(conn: Conn): void {
    const { preface } = this.#given
    if (preface !== null) this.#loop.send(conn, this.#loop.slabOf(preface), 0, preface.length)
    const dial = this.#dial
    this.#dial = null
    dial?.onOpen(this)
  }

  onReceive(_conn: Conn, slab: Slab, offset: number, length: number): void {
    this.#given.traffic.bytesOut += length
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
    const dial = this.#dial
    this.#dial = null
    if (dial === null) {
      this.#handler?.onClosed(this, cause)
      return
    }
    this.#given.traffic.failed += 1
    dial.onFailed({ kind: 'failed', cause })
  }

  #over(): void {
    if (this.#isOpen) this.#given.traffic.open -= 1
    this.#isOpen = false
  }
}
