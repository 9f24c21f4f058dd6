import { once } from 'node:events'
import type { TLSSocket } from 'node:tls'
import type { AbortOptions, MessageStream } from '@libp2p/interface'
import { AbstractMessageStream, type SendResult } from '@libp2p/utils'

/** A TLS socket as libp2p's byte stream: what the muxer sees of an encrypted connection. */
export class SecureMessageStream extends AbstractMessageStream {
  readonly #inner: MessageStream
  readonly #socket: TLSSocket

  constructor(inner: MessageStream, socket: TLSSocket) {
    super({
      log: inner.log,
      direction: inner.direction,
      inactivityTimeout: inner.inactivityTimeout,
      maxReadBufferLength: inner.maxReadBufferLength,
    })
    this.#inner = inner
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.onData(chunk))
    socket.on('drain', () => this.safeDispatchEvent('drain'))
    socket.on('error', (error) => inner.abort(error))
    socket.on('close', () => {
      void inner.close().catch((error: unknown) => inner.abort(error as Error))
    })
    inner.addEventListener('close', (event) => {
      socket.destroy()
      if (event.error === undefined) this.onTransportClosed()
      else if (event.local === true) this.abort(event.error)
      else this.onRemoteReset()
    })
  }

  override sendData(data: Parameters<AbstractMessageStream['sendData']>[0]): SendResult {
    this.#gather()
    let sentBytes = 0
    for (const chunk of data) {
      sentBytes += chunk.byteLength
      if (!this.#socket.write(chunk)) return { sentBytes, canSendMore: false }
    }
    return { sentBytes, canSendMore: true }
  }

  /** What is sent in one turn of the event loop leaves as one TLS record and one call of the kernel. */
  #gather(): void {
    if (this.#socket.writableCorked > 0) return
    this.#socket.cork()
    process.nextTick(() => this.#socket.uncork())
  }

  override sendReset(error: Error): void {
    this.#socket.destroy()
    this.#inner.abort(error)
  }

  override sendPause(): void {
    this.#socket.pause()
  }

  override sendResume(): void {
    this.#socket.resume()
  }

  override async close(options?: AbortOptions): Promise<void> {
    if (!this.#socket.closed) {
      const closed = once(this.#socket, 'close', options)
      this.#socket.destroySoon()
      await closed
    }
    await this.#inner.close(options)
  }
}
