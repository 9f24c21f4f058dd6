import { frameHeaderBytes, frameType, writeHeader, type Frame } from '../../wire/tunnel-frame.ts'
import { compact } from '../compact.ts'
import type { DialFailure } from '../end.ts'
import type { CloseCause } from '../loop.ts'
import { Opening } from '../tunnel/opening.ts'
import {
  streamShareBytes,
  type Carried,
  type Collector,
  type StreamHost,
} from '../tunnel/tunnel-stream.ts'
import type { FlowDialHandler, FlowEnd, FlowHandler } from './flow-end.ts'

/** What may wait here for the tunnel; datagrams beyond it are dropped, as in any full queue. */
const queuedBytesLimit = 128 * 1024
const queuedLimit = 256

/** One client's datagrams inside a tunnel, without credit: what does not fit is dropped. */
export class TunnelFlow implements FlowEnd, Carried {
  readonly id: number
  readonly #host: StreamHost
  readonly #opening: Opening<TunnelFlow>
  #handler: FlowHandler | null = null
  #queue: Uint8Array[] = []
  #queuedBytes = 0

  private constructor(id: number, host: StreamHost, dial: FlowDialHandler | null) {
    this.id = id
    this.#host = host
    this.#opening = new Opening({ id, what: 'flow', host, dial })
  }

  static dialled(id: number, host: StreamHost, dial: FlowDialHandler): TunnelFlow {
    return new TunnelFlow(id, host, dial)
  }

  static offered(id: number, host: StreamHost): TunnelFlow {
    return new TunnelFlow(id, host, null)
  }

  get queuedBytes(): number {
    return this.#queuedBytes
  }

  /** Answers an OPEN. */
  accept(): void {
    this.#opening.accept()
  }

  /** Answers an OPEN: no such task here. */
  refuse(): void {
    if (this.#opening.refuse()) this.#die()
  }

  setHandler(handler: FlowHandler): void {
    this.#handler = handler
  }

  send(bytes: Uint8Array): boolean {
    const isFull =
      this.#queue.length >= queuedLimit || this.#queuedBytes + bytes.length > queuedBytesLimit
    if (!this.#opening.isOpen || isFull) return false
    this.#queue.push(bytes)
    this.#queuedBytes += bytes.length
    this.#host.markReady(this)
    return true
  }

  close(): void {
    if (this.#opening.isDead) return
    this.#opening.tell(frameType.reset)
    this.#die()
  }

  /** Gives up a dial that is under way; later it does nothing. */
  cancel(): void {
    if (this.#opening.isDialling) this.close()
  }

  receive(frame: Frame): string | null {
    switch (frame.type) {
      case frameType.datagram:
        if (!this.#opening.isOpen) return 'DATAGRAM before READY'
        this.#handler?.onDatagram(compact(frame.payload))
        return null
      case frameType.ready:
        return this.#opening.receiveReady(this)
      case frameType.gone:
        if (!this.#opening.isDialling) return 'GONE for a flow that is open'
        this.#fail({ kind: 'gone' })
        return null
      case frameType.reset:
        this.abandon('reset')
        return null
      case frameType.data:
      case frameType.fin:
      case frameType.credit:
        return 'a frame of a stream on a flow'
      case frameType.open:
        return 'OPEN of a flow that exists'
      case frameType.ping:
      case frameType.pong:
      case frameType.drain:
      case frameType.dropped:
        return 'a frame of the connection on a flow'
      default:
        return 'unknown frame'
    }
  }

  abandon(cause: CloseCause): void {
    if (this.#opening.isDialling) return this.#fail({ kind: 'failed', cause })
    this.#die()
    this.#handler?.onClosed()
  }

  collect(into: Collector): boolean {
    let share = streamShareBytes
    while (share > 0) {
      const bytes = this.#queue.shift()
      if (bytes === undefined) break
      const header = new Uint8Array(frameHeaderBytes)
      writeHeader(header, 0, { stream: this.id, type: frameType.datagram, length: bytes.length })
      into.add(header)
      into.add(bytes)
      share -= bytes.length + frameHeaderBytes
      this.#queuedBytes -= bytes.length
    }
    return this.#queue.length > 0
  }

  collected(): void {}

  #fail(failure: DialFailure): void {
    this.#die()?.onFailed(failure)
  }

  #die(): Pick<FlowDialHandler, 'onFailed'> | null {
    const dial = this.#opening.die()
    this.#queue = []
    this.#queuedBytes = 0
    this.#host.forget(this)
    return dial
  }
}
