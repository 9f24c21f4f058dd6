import type { ProxyHeader } from '../wire/proxy-protocol.ts'
import type { DialHandler, End, EndHandler } from './end.ts'
import type { Address, CloseCause, Conn, ConnectionHandler, Loop, Slab } from './loop.ts'
import type { Traffic } from './counts/traffic.ts'

/** A socket of the loop as an end; counts as open in its traffic until it is closed. */
abstract class SocketEnd implements End, ConnectionHandler {
  protected readonly loop: Loop
  readonly traffic: Traffic
  protected abstract readonly conn: Conn
  protected handler: EndHandler | null = null
  #isOpen = true

  constructor(loop: Loop, traffic: Traffic) {
    this.loop = loop
    this.traffic = traffic
    traffic.opened += 1
    traffic.open += 1
  }

  setHandler(handler: EndHandler): void {
    this.handler = handler
  }

  send(slab: Slab, offset: number, length: number): boolean {
    this.countSent(length)
    return this.loop.send(this.conn, slab, offset, length)
  }

  pause(): void {
    this.loop.pause(this.conn)
  }

  resume(): void {
    this.loop.resume(this.conn)
  }

  shutdown(): void {
    this.loop.shutdown(this.conn)
  }

  reset(): void {
    this.#over()
    this.loop.reset(this.conn)
  }

  /** Leaves what was sent to the loop, and ignores what still comes; no event follows. */
  close(): void {
    this.#over()
    this.loop.close(this.conn)
  }

  onConnected(): void {}

  onReceive(_conn: Conn, slab: Slab, offset: number, length: number): void {
    this.countReceived(length)
    if (this.handler === null) this.loop.release(slab)
    else this.handler.onReceive(this, slab, offset, length)
  }

  onEnd(): void {
    this.handler?.onEnd(this)
  }

  onDrained(): void {
    this.handler?.onDrained(this)
  }

  onClosed(_conn: Conn, cause: CloseCause): void {
    this.#over()
    this.handler?.onClosed(this, cause)
  }

  protected abstract countSent(bytes: number): void
  protected abstract countReceived(bytes: number): void

  #over(): void {
    if (this.#isOpen) this.traffic.open -= 1
    this.#isOpen = false
  }
}

/** What a trusted proxy said of a connection, and the bytes that came behind that. */
export interface Introduction {
  /** Null: the proxy speaks for itself. */
  readonly header: ProxyHeader | null
  readonly rest: Uint8Array | null
}

/** A connection that a client opened. */
export class ClientEnd extends SocketEnd {
  protected readonly conn: Conn
  #header: ProxyHeader | null = null
  #rest: Uint8Array | null = null
  #isPaused = true

  constructor(loop: Loop, conn: Conn, traffic: Traffic) {
    super(loop, traffic)
    this.conn = conn
  }

  /** While it is paused: it speaks for somebody else, and has said this already. */
  introduce({ header, rest }: Introduction): void {
    this.#header = header
    this.#rest = rest
  }

  get remoteAddress(): Address {
    return this.#header?.source ?? this.loop.remoteAddress(this.conn)
  }

  get localAddress(): Address {
    return this.#header?.destination ?? this.loop.localAddress(this.conn)
  }

  override pause(): void {
    this.#isPaused = true
    super.pause()
  }

  override resume(): void {
    this.#isPaused = false
    const rest = this.#rest
    if (rest !== null) {
      this.#rest = null
      this.handler?.onReceive(this, this.loop.slabOf(rest), 0, rest.length)
    }
    if (!this.#isPaused) super.resume()
  }

  protected countSent(bytes: number): void {
    this.traffic.bytesOut += bytes
  }

  protected countReceived(bytes: number): void {
    this.traffic.bytesIn += bytes
  }
}

export interface TaskDial {
  readonly address: Address
  readonly timeoutMs: number
  /** Sent ahead of everything else, as soon as the task has accepted. */
  readonly preface: Uint8Array | null
  readonly traffic: Traffic
}

/** The connection to a task of this node; open from the dial on, so that a drain waits for it. */
export class TaskEnd extends SocketEnd {
  protected readonly conn: Conn
  readonly #preface: Uint8Array | null
  /** Null once the dial has ended, one way or the other. */
  #dial: DialHandler | null

  constructor(loop: Loop, given: TaskDial, dial: DialHandler) {
    super(loop, given.traffic)
    this.#preface = given.preface
    this.#dial = dial
    this.conn = loop.connect(given.address, this, given.timeoutMs)
  }

  /** Gives up a dial that is under way; later it does nothing. */
  cancel(): void {
    if (this.#dial === null) return
    this.#dial = null
    this.reset()
  }

  override onConnected(): void {
    const preface = this.#preface
    if (preface !== null) {
      this.loop.send(this.conn, this.loop.slabOf(preface), 0, preface.length)
    }
    const dial = this.#dial
    this.#dial = null
    dial?.onOpen(this)
  }

  override onClosed(conn: Conn, cause: CloseCause): void {
    const dial = this.#dial
    this.#dial = null
    super.onClosed(conn, cause)
    if (dial === null) return
    this.traffic.failed += 1
    dial.onFailed({ kind: 'failed', cause })
  }

  protected countSent(bytes: number): void {
    this.traffic.bytesIn += bytes
  }

  protected countReceived(bytes: number): void {
    this.traffic.bytesOut += bytes
  }
}
