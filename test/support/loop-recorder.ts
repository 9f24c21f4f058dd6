import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import type {
  Acceptor,
  CloseCause,
  Conn,
  ConnectionHandler,
  Loop,
  Slab,
} from '../../src/ingress/loop.ts'

const host = '127.0.0.1'

/** Remembers what happened to one connection. */
export class Recorder implements ConnectionHandler {
  readonly #loop: Loop
  readonly #pieces: Buffer[] = []
  readonly #connected = Promise.withResolvers<void>()
  readonly #received = Promise.withResolvers<void>()
  readonly #ended = Promise.withResolvers<void>()
  readonly #drained = Promise.withResolvers<void>()
  readonly #closed = Promise.withResolvers<CloseCause>()
  conn = 0 as Conn
  remote = { host: '', port: 0 }
  isConnected = false
  hasEnded = false
  isClosed = false
  closings = 0
  answersEnd = false

  constructor(loop: Loop) {
    this.#loop = loop
  }

  get connected(): Promise<void> {
    return this.#connected.promise
  }

  /** Bytes so far. */
  get length(): number {
    return this.#pieces.reduce((sum, piece) => sum + piece.length, 0)
  }

  get received(): Promise<void> {
    return this.#received.promise
  }

  get ended(): Promise<void> {
    return this.#ended.promise
  }

  get drained(): Promise<void> {
    return this.#drained.promise
  }

  get closed(): Promise<CloseCause> {
    return this.#closed.promise
  }

  text(): string {
    return Buffer.concat(this.#pieces).toString()
  }

  onConnected(): void {
    this.isConnected = true
    this.#connected.resolve()
  }

  onReceive(_conn: Conn, slab: Slab, offset: number, length: number): void {
    this.#pieces.push(Buffer.from(this.#loop.memory(slab).subarray(offset, offset + length)))
    this.#loop.release(slab)
    this.#received.resolve()
  }

  onEnd(): void {
    this.hasEnded = true
    this.#ended.resolve()
    if (this.answersEnd) this.#loop.shutdown(this.conn)
  }

  onDrained(): void {
    this.#drained.resolve()
  }

  onClosed(_conn: Conn, cause: CloseCause): void {
    this.isClosed = true
    this.closings += 1
    this.#closed.resolve(cause)
  }
}

export interface Listened {
  readonly port: number
  readonly accepted: Promise<Recorder>
  readonly close: () => void
}

export interface ListenOptions {
  readonly isPaused?: boolean
  readonly host?: string
  readonly port?: number
  readonly isV6Only?: boolean
  /** Half-closes as soon as the peer has. */
  readonly answersEnd?: boolean
}

/** A listener of the loop; `accepted` is its first connection. */
export function listen(loop: Loop, options: ListenOptions = {}): Promise<Listened> {
  const accepted = Promise.withResolvers<Recorder>()
  return new Promise((resolve, reject) => {
    const acceptor: Acceptor = {
      onListening: ({ port }) => {
        resolve({ port, accepted: accepted.promise, close: () => loop.unlisten(listening) })
      },
      onListenFailed: (code) => reject(new Error(code)),
      onAccept: (conn) => {
        const end = new Recorder(loop)
        end.answersEnd = options.answersEnd === true
        end.conn = conn
        end.remote = loop.remoteAddress(conn)
        if (options.isPaused !== true) loop.atTurnEnd(() => loop.resume(conn))
        accepted.resolve(end)
        return end
      },
    }
    const { host: at = host, port = 0, isV6Only = false } = options
    const listening = loop.listen({ host: at, port, shared: false, isV6Only }, acceptor)
  })
}

export function sendText(loop: Loop, conn: Conn, text: string): void {
  const bytes = Buffer.from(text)
  loop.send(conn, loop.slabOf(bytes), 0, bytes.length)
}

export async function readAll(socket: Socket): Promise<Buffer> {
  const pieces: Buffer[] = []
  socket.on('data', (piece: Buffer) => pieces.push(piece))
  socket.resume()
  await once(socket, 'end')
  return Buffer.concat(pieces)
}

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, host)
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}

export const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2))
