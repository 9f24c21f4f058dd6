import { unreachable } from '../../../mesh/base/assert.ts'
import { isFault } from '../../../mesh/base/mesh-error.ts'
import {
  decodeCount,
  decodeOpen,
  decodeTask,
  encodeCount,
  encodeOpen,
  encodeTask,
  encodeTunnelFrame,
  FrameDecoder,
  frameType,
  type Frame,
} from '../../wire/tunnel-frame.ts'
import type { CancelDial, DialRequest } from '../dial-task.ts'
import type { DialHandler } from '../end.ts'
import type { Loop, Slab } from '../loop.ts'
import type { SecureChannel } from './secure-channel.ts'
import type { PeerTraffic } from '../counts/traffic.ts'
import { TunnelStream, type Carried, type Collector, type StreamHost } from './tunnel-stream.ts'
import type { FlowDialHandler } from '../udp/flow-end.ts'
import { TunnelFlow } from '../udp/tunnel-flow.ts'

export interface TunnelLimits {
  readonly streams: number
  /** Of datagrams: a sender may invent as many as it likes, and streams must not suffer. */
  readonly flows: number
  /** So many OPENs in a row for which there is no room are no accident. */
  readonly refusals: number
  /** Of data in one write: small enough that a PING does not wait long behind it. */
  readonly turnBytes: number
  /** Waiting control frames at which reading stops, and at which the peer is given up. */
  readonly controlBytes: number
  readonly controlBytesLimit: number
}

export const tunnelLimits: TunnelLimits = {
  streams: 4096,
  flows: 4096,
  refusals: 16_384,
  turnBytes: 512 * 1024,
  controlBytes: 256 * 1024,
  controlBytesLimit: 2 * 1024 * 1024,
}

export interface TunnelListener {
  /** The peer wants a task of this node; answered through the stream. Never called on a dialler. */
  onOffer(request: DialRequest, stream: TunnelStream): void
  onOfferFlow(request: DialRequest, flow: TunnelFlow): void
  onPing(): void
  onPong(count: number): void
  /** The peer will take no more connections for a task of its own. Only called on a dialler. */
  onDrain(task: string): void
  /** The peer will send a task of this node no more connections. Never called on a dialler. */
  onDropped(task: string): void
  /** The tunnel is over, because the channel is or, which is a violation, the peer broke the rules. */
  onGone(because: string, isViolation: boolean): void
}

/**
 * Many connections in one secure channel. Frames of one loop turn leave in one write; while a write
 * is on its way the next one collects. One side dials streams, the other one is offered them.
 */
export class Tunnel implements StreamHost {
  readonly loop: Loop
  readonly #channel: SecureChannel
  readonly #listener: TunnelListener
  readonly #limits: TunnelLimits
  readonly #isDialler: boolean
  readonly #traffic: PeerTraffic
  readonly #decoder = new FrameDecoder()
  readonly #carried = new Map<number, Carried>()
  #flows = 0
  #refusals = 0
  #lastStream = 0
  #control: Uint8Array[] = []
  #controlBytes = 0
  #ready = new Set<Carried>()
  #isFlushPlanned = false
  #isWriting = false
  #isReadingHeld = false
  #isGone = false

  constructor(
    given: {
      readonly loop: Loop
      readonly channel: SecureChannel
      readonly isDialler: boolean
      readonly traffic: PeerTraffic
      readonly limits?: TunnelLimits
    },
    listener: TunnelListener,
  ) {
    this.loop = given.loop
    this.#channel = given.channel
    this.#isDialler = given.isDialler
    this.#traffic = given.traffic
    this.#limits = given.limits ?? tunnelLimits
    this.#listener = listener
  }

  get openStreams(): number {
    return this.#carried.size - this.#flows
  }

  get openFlows(): number {
    return this.#flows
  }

  get hasRoom(): boolean {
    return !this.#isGone && this.openStreams < this.#limits.streams
  }

  get hasRoomForFlow(): boolean {
    return !this.#isGone && this.#flows < this.#limits.flows
  }

  /** What waits here to be written: how busy this connection is. */
  get queuedBytes(): number {
    let bytes = this.#controlBytes
    for (const stream of this.#ready) bytes += stream.queuedBytes
    return bytes
  }

  /** Only while `hasRoom`. */
  dial(request: DialRequest, handler: DialHandler): CancelDial {
    this.#lastStream += 1
    const stream = TunnelStream.dialled(this.#lastStream, this, handler)
    this.#add(stream)
    this.control(encodeTunnelFrame(stream.id, frameType.open, encodeOpen(request)))
    return () => stream.cancel()
  }

  /** Only while `hasRoomForFlow`. */
  dialFlow(request: DialRequest, handler: FlowDialHandler): CancelDial {
    this.#lastStream += 1
    const flow = TunnelFlow.dialled(this.#lastStream, this, handler)
    this.#add(flow)
    this.control(encodeTunnelFrame(flow.id, frameType.open, encodeOpen(request)))
    return () => flow.cancel()
  }

  ping(count: number): void {
    this.control(encodeTunnelFrame(0, frameType.ping, encodeCount(count)))
  }

  /** Asks the peer to send a task of this node no more connections. */
  drain(task: string): void {
    this.control(encodeTunnelFrame(0, frameType.drain, encodeTask(task)))
  }

  /** Bytes of the channel. */
  receive(bytes: Uint8Array): void {
    if (this.#isGone) return
    this.#traffic.bytesIn += bytes.length
    try {
      this.#decoder.push(bytes, (frame) => this.#receiveFrame(frame))
    } catch (error) {
      if (!isFault(error, 'tunnel/malformed')) throw error
      this.#breakOff(error.message)
    }
  }

  /** The channel has written what it was given. */
  written(): void {
    this.#isWriting = false
    this.#flush()
  }

  /** The channel is gone. */
  lost(because: string): void {
    this.#end(because, false)
  }

  /** Ends the channel and every stream in it. */
  destroy(because: string): void {
    this.#channel.destroy()
    this.#end(because, false)
  }

  control(frame: Uint8Array): void {
    if (this.#isGone) return
    this.#control.push(frame)
    this.#controlBytes += frame.length
    if (this.#controlBytes > this.#limits.controlBytesLimit) {
      this.#breakOff('the peer sends, but does not read')
      return
    }
    if (this.#controlBytes > this.#limits.controlBytes && !this.#isReadingHeld) {
      this.#isReadingHeld = true
      this.#channel.pause()
    }
    this.#planFlush()
  }

  markReady(stream: Carried): void {
    this.#ready.add(stream)
    this.#planFlush()
  }

  forget(stream: Carried): void {
    this.#ready.delete(stream)
    if (!this.#carried.delete(stream.id)) return
    this.#traffic.open -= 1
    if (stream instanceof TunnelFlow) this.#flows -= 1
  }

  #add(stream: Carried): void {
    this.#carried.set(stream.id, stream)
    this.#traffic.opened += 1
    this.#traffic.open += 1
    if (stream instanceof TunnelFlow) this.#flows += 1
  }

  #receiveFrame(frame: Frame): void {
    if (this.#isGone) return
    switch (frame.type) {
      case frameType.ping:
        this.#listener.onPing()
        return this.control(encodeTunnelFrame(0, frameType.pong, frame.payload))
      case frameType.pong:
        return this.#listener.onPong(decodeCount(frame.payload))
      case frameType.drain:
        return this.#receiveDrain(frame)
      case frameType.dropped:
        if (this.#isDialler) return this.#breakOff('DROPPED from the side that drains')
        return this.#listener.onDropped(decodeTask(frame.payload))
      case frameType.open:
        return this.#receiveOpen(frame)
      case frameType.data:
      case frameType.fin:
      case frameType.reset:
      case frameType.credit:
      case frameType.ready:
      case frameType.gone:
      case frameType.datagram:
        return this.#receiveForStream(frame)
      default:
        return unreachable(frame.type)
    }
  }

  /** Whatever was dialled before has left before this answer: the peer knows that it is the last. */
  #receiveDrain(frame: Frame): void {
    if (!this.#isDialler) {
      this.#breakOff('DRAIN from the side that dials')
      return
    }
    this.#listener.onDrain(decodeTask(frame.payload))
    this.control(encodeTunnelFrame(0, frameType.dropped, frame.payload))
  }

  #receiveOpen(frame: Frame): void {
    if (this.#isDialler || frame.stream <= this.#lastStream) {
      this.#breakOff('OPEN out of order')
      return
    }
    this.#lastStream = frame.stream
    const request = decodeOpen(frame.payload)
    const isFlow = request.protocol === 'udp'
    if (isFlow ? !this.hasRoomForFlow : !this.hasRoom) return this.#refuseOpen(frame.stream)
    this.#refusals = 0
    if (isFlow) {
      const flow = TunnelFlow.offered(frame.stream, this)
      this.#add(flow)
      this.#listener.onOfferFlow(request, flow)
      return
    }
    const stream = TunnelStream.offered(frame.stream, this)
    this.#add(stream)
    this.#listener.onOffer(request, stream)
  }

  /** The peer may count a stream as ended a moment before we do: only a flood is a violation. */
  #refuseOpen(stream: number): void {
    this.#refusals += 1
    if (this.#refusals > this.#limits.refusals) this.#breakOff('a flood of OPEN')
    else this.control(encodeTunnelFrame(stream, frameType.reset))
  }

  #receiveForStream(frame: Frame): void {
    const stream = this.#carried.get(frame.stream)
    if (stream === undefined) {
      // Frames may still be under way for a stream that has been reset here.
      if (frame.stream > this.#lastStream) this.#breakOff('frame for a stream never opened')
      return
    }
    if (frame.type === frameType.gone) this.#traffic.gone += 1
    const broken = stream.receive(frame)
    if (broken !== null) this.#breakOff(broken)
  }

  #breakOff(because: string): void {
    this.#channel.destroy()
    this.#end(because, true)
  }

  #end(because: string, isViolation: boolean): void {
    if (this.#isGone) return
    this.#isGone = true
    for (const stream of this.#carried.values()) stream.abandon('reset')
    this.#listener.onGone(because, isViolation)
  }

  #planFlush(): void {
    if (this.#isFlushPlanned || this.#isWriting) return
    this.#isFlushPlanned = true
    this.loop.atTurnEnd(() => {
      this.#isFlushPlanned = false
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#isWriting || this.#isGone) return
    const batch = new Batch(this.loop)
    for (const frame of this.#control) batch.add(frame)
    this.#control = []
    this.#controlBytes = 0
    const collected = this.#collectStreams(batch)
    if (batch.isEmpty) return
    this.#isWriting = true
    this.#traffic.bytesOut += batch.bytes
    this.#channel.write(batch.finish())
    if (this.#isReadingHeld) {
      this.#isReadingHeld = false
      this.#channel.resume()
    }
    for (const stream of collected) stream.collected()
  }

  /** Streams take turns: whoever has more to send goes to the end of the line. */
  #collectStreams(batch: Batch): Carried[] {
    const collected: Carried[] = []
    const again: Carried[] = []
    for (const stream of this.#ready) {
      if (batch.bytes >= this.#limits.turnBytes) break
      this.#ready.delete(stream)
      if (stream.collect(batch)) again.push(stream)
      collected.push(stream)
    }
    for (const stream of again) this.#ready.add(stream)
    return collected
  }
}

/** The frames of one write. */
class Batch implements Collector {
  readonly #loop: Loop
  readonly #parts: Uint8Array[] = []
  readonly #slabs: Slab[] = []
  bytes = 0

  constructor(loop: Loop) {
    this.#loop = loop
  }

  get isEmpty(): boolean {
    return this.#parts.length === 0
  }

  add(bytes: Uint8Array): void {
    this.#parts.push(bytes)
    this.bytes += bytes.length
  }

  releaseLater(slab: Slab): void {
    this.#slabs.push(slab)
  }

  /** One copy of everything; the slabs go back. */
  finish(): Uint8Array {
    const all = Buffer.concat(this.#parts, this.bytes)
    for (const slab of this.#slabs) this.#loop.release(slab)
    return all
  }
}
