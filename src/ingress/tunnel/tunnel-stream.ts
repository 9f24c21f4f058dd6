import {
  decodeCount,
  encodeCount,
  encodeTunnelFrame,
  frameHeaderBytes,
  framePayloadLimit,
  frameType,
  writeHeader,
  type Frame,
} from '../../wire/tunnel-frame.ts'
import { compact } from '../compact.ts'
import type { DialFailure, DialHandler, End, EndHandler } from '../end.ts'
import type { CloseCause, Loop, Slab } from '../loop.ts'
import { Opening } from './opening.ts'

/** What a stream asks of the tunnel that carries it. */
export interface StreamHost {
  readonly loop: Loop
  /** Sends a frame ahead of all data. */
  control(frame: Uint8Array): void
  /** The stream has something to collect. */
  markReady(stream: Carried): void
  forget(stream: Carried): void
}

/** What a tunnel carries under a number: a stream of bytes, or a flow of datagrams. */
export interface Carried {
  readonly id: number
  readonly queuedBytes: number
  /** Null when the frame was fine; else how the peer broke the rules. */
  receive(frame: Frame): string | null
  /** It is over without a word to the peer, who said so itself or is gone. */
  abandon(cause: CloseCause): void
  /** Puts this turn's share into the write; true when more could follow in the next one. */
  collect(into: Collector): boolean
  /** After the write was handed over: only now may handlers send again. */
  collected(): void
}

/** Gathers what leaves in one write. */
export interface Collector {
  add(bytes: Uint8Array): void
  /** The slab's bytes have been added; it is given back once they are copied. */
  releaseLater(slab: Slab): void
}

/** How much a stream may send before it is given more. */
export const streamWindowBytes = 256 * 1024
/** What a stream may put into one write, so that no stream fills it alone. */
export const streamShareBytes = 64 * 1024
const creditAtBytes = streamWindowBytes / 4
const highWaterBytes = 256 * 1024
const lowWaterBytes = 128 * 1024
const queuedBytesLimit = 1024 * 1024
/** Pieces of a paused stream are joined beyond this many: one byte each would cost far more. */
const inboxPieces = 1024

interface Piece {
  readonly slab: Slab
  readonly offset: number
  readonly length: number
}

/** One client's connection inside a tunnel. Credit bounds what either side can hold of it. */
export class TunnelStream implements End, Carried {
  readonly id: number
  readonly #host: StreamHost
  readonly #opening: Opening<TunnelStream>
  #handler: EndHandler | null = null
  readonly #outbox: Piece[] = []
  #queuedBytes = 0
  #sendCredit = streamWindowBytes
  #isDrainAwaited = false
  #isFinAsked = false
  #isFinSent = false
  #inbox: Uint8Array[] = []
  #receiveCredit = streamWindowBytes
  #uncreditedBytes = 0
  #isPaused = true
  #isFinReceived = false
  #isEndTold = false

  private constructor(id: number, host: StreamHost, dial: DialHandler | null) {
    this.id = id
    this.#host = host
    this.#opening = new Opening({ id, what: 'stream', host, dial })
  }

  static dialled(id: number, host: StreamHost, dial: DialHandler): TunnelStream {
    return new TunnelStream(id, host, dial)
  }

  static offered(id: number, host: StreamHost): TunnelStream {
    return new TunnelStream(id, host, null)
  }

  get queuedBytes(): number {
    return this.#queuedBytes
  }

  /** Answers an OPEN: the task has accepted. */
  accept(): void {
    this.#opening.accept()
  }

  /** Answers an OPEN: no such task here. */
  refuse(): void {
    if (this.#opening.refuse()) this.#die()
  }

  setHandler(handler: EndHandler): void {
    this.#handler = handler
  }

  send(slab: Slab, offset: number, length: number): boolean {
    if (!this.#opening.isOpen || this.#isFinAsked) {
      this.#host.loop.release(slab)
      return true
    }
    this.#outbox.push({ slab, offset, length })
    this.#queuedBytes += length
    if (this.#queuedBytes > queuedBytesLimit) {
      this.#opening.tell(frameType.reset)
      this.#close('overflow')
      return true
    }
    if (this.#sendCredit > 0) this.#host.markReady(this)
    this.#isDrainAwaited ||= this.#queuedBytes > highWaterBytes
    return !this.#isDrainAwaited
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#deliver()
  }

  shutdown(): void {
    if (!this.#opening.isOpen || this.#isFinAsked) return
    this.#isFinAsked = true
    this.#host.markReady(this)
  }

  reset(): void {
    if (this.#opening.isDead) return
    this.#opening.tell(frameType.reset)
    this.#die()
  }

  /** Gives up a dial that is under way; later it does nothing. */
  cancel(): void {
    if (this.#opening.isDialling) this.reset()
  }

  receive(frame: Frame): string | null {
    switch (frame.type) {
      case frameType.data:
        return this.#receiveData(frame.payload)
      case frameType.fin:
        return this.#receiveFin()
      case frameType.credit:
        return this.#receiveCreditFrame(decodeCount(frame.payload))
      case frameType.ready:
        return this.#opening.receiveReady(this)
      case frameType.gone:
        if (!this.#opening.isDialling) return 'GONE for a stream that is open'
        this.#fail({ kind: 'gone' })
        return null
      case frameType.reset:
        this.abandon('reset')
        return null
      case frameType.open:
        return 'OPEN of a stream that exists'
      case frameType.ping:
      case frameType.pong:
      case frameType.drain:
      case frameType.dropped:
        return 'a frame of the connection on a stream'
      case frameType.datagram:
        return 'a frame of a flow on a stream'
      default:
        return 'unknown frame'
    }
  }

  abandon(cause: CloseCause): void {
    if (this.#opening.isDialling) this.#fail({ kind: 'failed', cause })
    else this.#close(cause)
  }

  collect(into: Collector): boolean {
    let share = Math.min(streamShareBytes, this.#sendCredit)
    while (share > 0 && this.#outbox.length > 0) {
      share -= this.#collectPiece(into, Math.min(share, framePayloadLimit))
    }
    if (this.#outbox.length === 0 && this.#isFinAsked && !this.#isFinSent) {
      this.#isFinSent = true
      into.add(encodeTunnelFrame(this.id, frameType.fin))
    }
    return this.#outbox.length > 0 && this.#sendCredit > 0
  }

  collected(): void {
    if (this.#isDrainAwaited && this.#queuedBytes <= lowWaterBytes && this.#opening.isOpen) {
      this.#isDrainAwaited = false
      this.#handler?.onDrained(this)
    }
    this.#closeWhenEnded()
  }

  #collectPiece(into: Collector, mostBytes: number): number {
    const piece = this.#outbox[0]
    if (piece === undefined) return 0
    const length = Math.min(piece.length, mostBytes)
    const header = new Uint8Array(frameHeaderBytes)
    writeHeader(header, 0, { stream: this.id, type: frameType.data, length })
    into.add(header)
    const memory = this.#host.loop.memory(piece.slab)
    into.add(memory.subarray(piece.offset, piece.offset + length))
    if (length === piece.length) {
      this.#outbox.shift()
      into.releaseLater(piece.slab)
    } else {
      const { slab, offset } = piece
      this.#outbox[0] = { slab, offset: offset + length, length: piece.length - length }
    }
    this.#sendCredit -= length
    this.#queuedBytes -= length
    return length
  }

  /** READY has not been said: nothing may come before it. */
  get #isAwaited(): boolean {
    return !this.#opening.isOpen && !this.#opening.isDead
  }

  #receiveData(payload: Uint8Array): string | null {
    if (this.#isAwaited) return 'DATA before READY'
    if (this.#isFinReceived) return 'DATA after FIN'
    if (payload.length > this.#receiveCredit) return 'more DATA than there was credit for'
    this.#receiveCredit -= payload.length
    // It may wait here, or with a client that does not read: not together with its neighbours.
    this.#inbox.push(compact(payload))
    if (this.#inbox.length > inboxPieces) this.#inbox = [Buffer.concat(this.#inbox)]
    this.#deliver()
    return null
  }

  #receiveFin(): string | null {
    if (this.#isAwaited) return 'FIN before READY'
    if (this.#isFinReceived) return 'FIN twice'
    this.#isFinReceived = true
    this.#deliver()
    return null
  }

  #receiveCreditFrame(bytes: number): string | null {
    if (this.#sendCredit + bytes > streamWindowBytes) return 'more credit than the window'
    this.#sendCredit += bytes
    if (this.#outbox.length > 0) this.#host.markReady(this)
    return null
  }

  #deliver(): void {
    while (!this.#isPaused && this.#opening.isOpen && this.#handler !== null) {
      const piece = this.#inbox.shift()
      if (piece === undefined) break
      const slab = this.#host.loop.slabOf(piece)
      this.#handler.onReceive(this, slab, 0, piece.length)
      this.#giveCredit(piece.length)
    }
    this.#deliverEnd()
  }

  #deliverEnd(): void {
    const isAtEnd = this.#isFinReceived && this.#inbox.length === 0
    if (!isAtEnd || this.#isPaused || this.#isEndTold || !this.#opening.isOpen) return
    this.#isEndTold = true
    this.#handler?.onEnd(this)
    this.#closeWhenEnded()
  }

  #giveCredit(bytes: number): void {
    this.#uncreditedBytes += bytes
    if (this.#uncreditedBytes < creditAtBytes || !this.#opening.isOpen) return
    if (this.#isFinReceived) return
    this.#receiveCredit += this.#uncreditedBytes
    const payload = encodeCount(this.#uncreditedBytes)
    this.#uncreditedBytes = 0
    this.#host.control(encodeTunnelFrame(this.id, frameType.credit, payload))
  }

  #closeWhenEnded(): void {
    if (this.#isEndTold && this.#isFinSent) this.#close('ended')
  }

  #fail(failure: DialFailure): void {
    this.#die()?.onFailed(failure)
  }

  #close(cause: CloseCause): void {
    if (this.#opening.isDead) return
    this.#die()
    this.#handler?.onClosed(this, cause)
  }

  #die(): Pick<DialHandler, 'onFailed'> | null {
    const dial = this.#opening.die()
    for (const piece of this.#outbox.splice(0)) this.#host.loop.release(piece.slab)
    this.#queuedBytes = 0
    this.#inbox = []
    this.#host.forget(this)
    return dial
  }
}
