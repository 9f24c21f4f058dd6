import type { FrameStream } from './transport.ts'
import { maxFrameBytes, maxQueuedBytes } from './framed-stream.ts'

export interface LongLivedStreamEvents {
  readonly onFrame: (frame: Uint8Array) => void
  /** Once; a new one has to be made then. */
  readonly onClose: () => void
}

/** A stream that takes frames while it is still being opened. */
export class LongLivedStream {
  readonly #events: LongLivedStreamEvents
  #stream: FrameStream | null = null
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #isClosed = false

  constructor(open: () => Promise<FrameStream>, events: LongLivedStreamEvents) {
    this.#events = events
    open().then(
      (stream) => this.#opened(stream),
      () => this.close(),
    )
  }

  send(frame: Uint8Array): boolean {
    if (this.#isClosed || frame.length > maxFrameBytes) return false
    if (this.#stream !== null) return this.#stream.send(frame)
    if (this.#waitingBytes > 0 && this.#waitingBytes + frame.length > maxQueuedBytes) return false
    this.#waiting.push(frame)
    this.#waitingBytes += frame.length
    return true
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#waiting = []
    this.#stream?.close()
    this.#events.onClose()
  }

  #opened(stream: FrameStream): void {
    if (this.#isClosed) return stream.close()
    this.#stream = stream
    stream.onFrame(this.#events.onFrame)
    stream.onClose(() => this.close())
    const waiting = this.#waiting
    this.#waiting = []
    for (const frame of waiting) stream.send(frame)
  }
}
