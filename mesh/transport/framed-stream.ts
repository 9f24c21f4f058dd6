import type { Stream, StreamMessageEvent } from '@libp2p/interface'
import type { NodeId } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import { encodeFrame, FrameSplitter } from '../wire/frames.ts'
import { guarded } from './guarded.ts'
import type { FrameStream } from './transport.ts'

/** The longest frame that a peer may send; a longer one ends the stream. */
export const maxFrameBytes = 4 * 1024 * 1024
/** What may wait for a slow peer before `send` says no. */
export const maxQueuedBytes = 8 * 1024 * 1024
const closeTimeoutMs = 2000

/** Frames over one libp2p stream. Holds back what arrives until somebody listens. */
export class FramedStream implements FrameStream {
  readonly peer: NodeId
  readonly #stream: Stream
  readonly #log: Log
  readonly #splitter = new FrameSplitter(maxFrameBytes)
  readonly #closeListeners: (() => void)[] = []
  #frameListener: ((frame: Uint8Array) => void) | null = null
  #isClosed = false

  constructor(stream: Stream, peer: NodeId, log: Log) {
    this.peer = peer
    this.#stream = stream
    this.#log = log
    if (stream.status !== 'open') {
      this.#isClosed = true
      return
    }
    // Else libp2p would gather 4 MiB and then reset the stream.
    stream.pause()
    stream.addEventListener('close', () => this.#ended())
    // The peer will say nothing more, and half a conversation is of no use to anybody here.
    stream.addEventListener('remoteCloseWrite', () => this.close())
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  send(frame: Uint8Array): boolean {
    if (this.#isClosed || frame.length > maxFrameBytes) return false
    const waiting = this.#stream.writeBufferLength
    if (waiting > 0 && waiting + frame.length > maxQueuedBytes) return false
    try {
      this.#stream.send(encodeFrame(frame))
      return true
    } catch {
      // It closes just now; its close event follows.
      return false
    }
  }

  onFrame(listener: (frame: Uint8Array) => void): void {
    const isFirst = this.#frameListener === null
    this.#frameListener = listener
    if (!isFirst || this.#isClosed) return
    this.#stream.addEventListener('message', (event) => this.#onMessage(event))
    this.#stream.resume()
  }

  /** Called once, at once when it is closed already. */
  onClose(listener: () => void): void {
    if (this.#isClosed) queueMicrotask(listener)
    else this.#closeListeners.push(listener)
  }

  close(): void {
    if (this.#isClosed) return
    this.#ended()
    const signal = AbortSignal.timeout(closeTimeoutMs)
    const giveUp = (error: unknown): void => this.#stream.abort(error as Error)
    void this.#stream.close({ signal }).catch(giveUp)
    void this.#stream.closeRead({ signal }).catch(giveUp)
  }

  #onMessage(event: StreamMessageEvent): void {
    const { data } = event
    const chunks = data instanceof Uint8Array ? [data] : data
    for (const chunk of chunks) {
      const frames = this.#splitter.push(chunk)
      if ('refused' in frames) return this.#breakOff(frames.refused)
      for (const frame of frames) {
        if (this.#isClosed) return
        const isTaken = guarded(this.#log, this.#stream.protocol, () =>
          this.#frameListener?.(frame),
        )
        if (!isTaken) return this.#breakOff('a frame could not be handled')
      }
    }
  }

  #breakOff(reason: string): void {
    this.#log.warn({ node: this.peer, protocol: this.#stream.protocol, reason }, 'stream ended')
    this.#ended()
    this.#stream.abort(new Error(reason))
  }

  #ended(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const listener of this.#closeListeners.splice(0)) {
      guarded(this.#log, this.#stream.protocol, listener)
    }
  }
}
