import { Duplex } from 'node:stream'
import type { MessageStream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'

type WriteDone = (error?: Error | null) => void

/** A libp2p byte stream as Node's, so that `node:tls` can run over it. Back-pressure works both ways. */
export class MessageStreamDuplex extends Duplex {
  readonly #inner: MessageStream
  #writeDone: WriteDone | null = null
  #isFlowing = false

  constructor(inner: MessageStream) {
    super()
    this.#inner = inner
    inner.pause()
    inner.addEventListener('message', (event) => this.#onMessage(event))
    inner.addEventListener('drain', () => this.#finishWrite(null))
    inner.addEventListener('remoteCloseWrite', () => this.push(null))
    inner.addEventListener('close', (event) => this.#onClose(event))
  }

  override _read(): void {
    this.#flow(true)
  }

  override _write(chunk: Uint8Array, _: BufferEncoding, done: WriteDone): void {
    try {
      if (this.#inner.send(chunk)) done()
      else this.#writeDone = done
    } catch (error) {
      done(asError(error))
    }
  }

  override _final(done: WriteDone): void {
    this.#inner.close().then(() => done(), done)
  }

  override _destroy(error: Error | null, done: WriteDone): void {
    this.#finishWrite(error)
    if (error !== null) this.#inner.abort(error)
    else void this.#inner.close().catch((cause: unknown) => this.#inner.abort(asError(cause)))
    done(error)
  }

  #onMessage(event: StreamMessageEvent): void {
    const chunks = event.data instanceof Uint8Array ? [event.data] : event.data
    let wantsMore = true
    for (const chunk of chunks) wantsMore = this.push(chunk)
    if (!wantsMore) this.#flow(false)
  }

  #flow(isFlowing: boolean): void {
    if (this.#isFlowing === isFlowing) return
    this.#isFlowing = isFlowing
    try {
      if (isFlowing) this.#inner.resume()
      else this.#inner.pause()
    } catch {
      // It closes just now, and refuses either; its close event ends us too.
    }
  }

  #onClose(event: StreamCloseEvent): void {
    this.destroy(event.error)
  }

  #finishWrite(error: Error | null): void {
    const done = this.#writeDone
    this.#writeDone = null
    done?.(error)
  }
}

const asError = (thrown: unknown): Error =>
  thrown instanceof Error ? thrown : new Error(String(thrown))
