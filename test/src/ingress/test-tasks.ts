import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** A listener that stands for a task, and everything that was opened in a test, closed together. */
export class TestTasks {
  readonly #servers: Server[] = []
  readonly #sockets = new Set<Socket>()

  /** `host:port` of a task that does this with each connection. */
  async serve(onSocket: (socket: Socket) => void): Promise<string> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#keep(socket)
      onSocket(socket)
    })
    this.#servers.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return `127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  /** Sends back what it gets, until the client has finished. */
  echo(): Promise<string> {
    return this.serve((socket) => socket.pipe(socket))
  }

  /** Says its name, then closes. */
  named(name: string): Promise<string> {
    return this.serve((socket) => {
      socket.resume()
      socket.end(name)
    })
  }

  client(host: string, port: number): Socket {
    const socket = connect({ host, port, allowHalfOpen: true })
    this.#keep(socket)
    return socket
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
    for (const server of this.#servers) server.close()
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
  }
}

/** A port that nobody listens on, here or on the next loopback addresses. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '0.0.0.0')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}

/** Everything up to the peer's FIN; rejects when the connection is reset. */
export function readAll(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = []
    socket.on('data', (piece: Buffer) => pieces.push(piece))
    socket.once('end', () => resolve(Buffer.concat(pieces)))
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed before its end')))
  })
}

/** What the client gets for saying this and half-closing. */
export async function ask(socket: Socket, text: string): Promise<string> {
  const answer = readAll(socket)
  socket.end(text)
  return (await answer).toString()
}

/** `connected`, or why it could not connect; for listeners that are about to close. */
export function dialled(socket: Socket): Promise<string | undefined> {
  return new Promise((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code))
    socket.once('connect', () => {
      socket.destroy()
      resolve('connected')
    })
  })
}

/** Resolves with the code of the error that ends a connection. */
export async function failure(socket: Socket): Promise<string | undefined> {
  return new Promise((resolve) => {
    socket.resume()
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code))
    socket.once('close', () => resolve('closed'))
  })
}
