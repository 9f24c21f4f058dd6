import { chmod } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { MeshError } from '../../mesh/base/mesh-error.ts'
import type { Log } from '../../mesh/base/log.ts'
import {
  decodeJson,
  encodeFrame,
  encodeJson,
  FrameSplitter,
  isRefused,
} from '../../mesh/wire/frames.ts'
import { listenOnPath } from '../runtime/unix-socket.ts'
import {
  ingressMessageLimit,
  toIngress,
  type FromIngress,
  type ToIngress,
} from '../wire/ingress-message.ts'

export interface ControlListener {
  onMessage(message: ToIngress): void
  /** Nobody is at the other end any more. */
  onAlone(): void
}

const connectionsLimit = 16
/** Told numbers are replaced by newer ones anyway: a meshd that does not read is cut off. */
const queuedBytesLimit = 4 * 1024 * 1024

/** The ingress's end of the socket on which meshd leads it. The newest meshd wins. */
export class ControlServer {
  readonly #server: Server
  readonly #log: Log
  readonly #listener: ControlListener
  #current: Socket | null = null

  constructor(log: Log, listener: ControlListener) {
    this.#log = log
    this.#listener = listener
    this.#server = createServer((socket) => this.#accept(socket))
    this.#server.maxConnections = connectionsLimit
  }

  /** Rejects with `ingress/already-running` when another ingress answers on that path. */
  async listen(path: string): Promise<void> {
    const isFree = await listenOnPath(this.#server, path)
    if (!isFree) throw new MeshError({ code: 'ingress/already-running', path })
    await chmod(path, 0o600)
  }

  send(message: FromIngress): void {
    const socket = this.#current
    if (socket === null) return
    socket.write(encodeFrame(encodeJson(message)))
    if (socket.writableLength > queuedBytesLimit) socket.destroy()
  }

  /** Lets the next ingress take the path; the present connection lives on. */
  stopListening(): void {
    this.#server.close()
  }

  #accept(socket: Socket): void {
    const splitter = new FrameSplitter(ingressMessageLimit)
    socket.on('data', (chunk: Buffer) => {
      const payloads = splitter.push(chunk)
      if (isRefused(payloads)) this.#refuse(socket, payloads.refused)
      else for (const payload of payloads) this.#receive(socket, payload)
    })
    socket.on('error', (cause) => this.#log.debug({ cause: cause.message }, 'control socket'))
    socket.on('close', () => {
      if (this.#current !== socket) return
      this.#current = null
      this.#listener.onAlone()
    })
  }

  #receive(socket: Socket, payload: Uint8Array): void {
    const message = decodeJson(toIngress, payload)
    if (isRefused(message)) {
      this.#refuse(socket, message.refused)
      return
    }
    if (message.kind === 'hello') this.#lead(socket)
    if (this.#current === socket) this.#listener.onMessage(message)
    else this.#refuse(socket, 'no hello')
  }

  #lead(socket: Socket): void {
    const before = this.#current
    this.#current = socket
    if (before !== socket) before?.destroy()
  }

  #refuse(socket: Socket, because: string): void {
    this.#log.error({ because }, 'message of meshd not understood')
    socket.destroy()
  }
}
