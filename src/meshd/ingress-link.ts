import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Clock } from '../../mesh/base/clock.ts'
import {
  decodeJson,
  encodeFrame,
  encodeJson,
  FrameSplitter,
  isRefused,
} from '../../mesh/wire/frames.ts'
import type { RouteTable } from '../routing/route-table.ts'
import {
  fromIngress,
  ingressMessageLimit,
  type FromIngress,
  type ToIngress,
} from '../wire/ingress-message.ts'

export interface IngressLinkListener {
  onMessage(message: FromIngress): void
  onClosed(because: string): void
}

const greetingLimitMs = 2000
/** Beyond this, only the newest table is worth sending. */
const queuedBytesMark = 1024 * 1024

/** The daemon's end of the control socket, after the greeting. */
export class IngressLink {
  readonly #socket: Socket
  readonly #splitter = new FrameSplitter(ingressMessageLimit)
  #waiting: FromIngress[] = []
  #listener: IngressLinkListener | null = null
  #laterTable: RouteTable | null = null
  #because: string | null = null
  version = ''
  pid = 0

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('drain', () => this.#sendLaterTable())
    socket.on('error', (error) => {
      this.#because ??= error.message
    })
  }

  /** Null when no ingress answers there. */
  static connect(dataDir: string, version: string, clock: Clock): Promise<IngressLink | null> {
    return new Promise((resolve) => {
      const cancelLimit = clock.after(greetingLimitMs, () => socket.destroy())
      const socket = connect(join(dataDir, 'ingress.sock'))
      const link = new IngressLink(socket)
      socket.once('connect', () => link.send({ kind: 'hello', version }))
      socket.once('close', () => {
        cancelLimit()
        resolve(null)
        link.#listener?.onClosed(link.#because ?? 'closed')
      })
      link.#listener = {
        onMessage: (message) => {
          if (message.kind !== 'ready') return
          link.version = message.version
          link.pid = message.pid
          link.#listener = null
          cancelLimit()
          resolve(link)
        },
        onClosed: () => {},
      }
    })
  }

  listen(listener: IngressLinkListener): void {
    this.#listener = listener
    for (const message of this.#waiting.splice(0)) listener.onMessage(message)
    if (this.#socket.destroyed) listener.onClosed(this.#because ?? 'closed')
  }

  send(message: ToIngress): void {
    if (this.#socket.writable) this.#socket.write(encodeFrame(encodeJson(message)))
  }

  /** Tables replace each other: while the ingress is behind, only the newest waits. */
  sendRoutes(table: RouteTable): void {
    this.#laterTable = table
    if (this.#socket.writableLength < queuedBytesMark) this.#sendLaterTable()
  }

  close(): void {
    this.#socket.destroy()
  }

  kill(): void {
    try {
      process.kill(this.pid, 'SIGKILL')
    } catch {
      // It has ended in the meantime.
    }
    this.close()
  }

  /** Tells it to end, and waits until it accepts nothing more; what is open there lives on. */
  retire(clock: Clock, limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = clock.after(limitMs, () => this.kill())
      const done = (): void => {
        cancel()
        resolve()
      }
      this.listen({
        onMessage: (message) => {
          if (message.kind !== 'stopping') return
          done()
          this.close()
        },
        onClosed: done,
      })
      this.send({ kind: 'shutdown', graceful: true })
    })
  }

  #sendLaterTable(): void {
    const table = this.#laterTable
    this.#laterTable = null
    if (table !== null) this.send({ kind: 'routes', table })
  }

  #receive(chunk: Buffer): void {
    const payloads = this.#splitter.push(chunk)
    if (isRefused(payloads)) {
      this.#refuse(payloads.refused)
      return
    }
    for (const payload of payloads) {
      const message = decodeJson(fromIngress, payload)
      if (isRefused(message)) this.#refuse(message.refused)
      else if (this.#listener === null) this.#waiting.push(message)
      else this.#listener.onMessage(message)
    }
  }

  #refuse(because: string): void {
    this.#because = because
    this.#socket.destroy()
  }
}
