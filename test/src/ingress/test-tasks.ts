import { once } from 'node:events'
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { connect, createServer, isIPv6, type AddressInfo, type Server, type Socket } from 'node:net'

export interface UdpTask {
  readonly socket: UdpSocket
  readonly address: string
}

/** A listener that stands for a task, and everything that was opened in a test, closed together. */
export class TestTasks {
  readonly #servers: Server[] = []
  readonly #sockets = new Set<Socket>()
  readonly #udpSockets: UdpSocket[] = []

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

  /** `host:port` of a UDP task that says its name and sends back what it gets. */
  async datagramEcho(name: string): Promise<UdpTask> {
    const socket = await this.datagramSocket('127.0.0.1')
    socket.on('message', (bytes, { address, port }) => {
      socket.send(Buffer.concat([Buffer.from(`${name}:`), bytes]), port, address)
    })
    return { socket, address: `127.0.0.1:${socket.address().port}` }
  }

  /** Bound to a free port. */
  async datagramSocket(host: string): Promise<UdpSocket> {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
    socket.on('error', () => {})
    this.#udpSockets.push(socket)
    socket.bind(0, host)
    await once(socket, 'listening')
    return socket
  }

  client(host: string, port: number): Socket {
    const socket = connect({ host, port, allowHalfOpen: true })
    this.#keep(socket)
    return socket
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
    for (const server of this.#servers) server.close()
    for (const socket of this.#udpSockets) closeUdp(socket)
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

export function closeUdp(socket: UdpSocket): void {
  try {
    socket.close()
  } catch {
    // It was closed before.
  }
}

/** One client's datagrams, in the hands of a test. */
export class UdpClient {
  readonly #socket: UdpSocket
  readonly #to: { readonly host: string; readonly port: number }
  readonly heard: string[] = []

  constructor(socket: UdpSocket, to: { readonly host: string; readonly port: number }) {
    this.#socket = socket
    this.#to = to
    socket.on('message', (bytes) => this.heard.push(bytes.toString()))
  }

  get port(): number {
    return this.#socket.address().port
  }

  say(text: string | Buffer): void {
    this.#socket.send(text, this.#to.port, this.#to.host)
  }

  /** The answer to it; said again until there is one, as every user of UDP must. */
  async ask(text: string): Promise<string> {
    const deadline = performance.now() + 15_000
    const isAnswer = (heard: string): boolean => heard.endsWith(`:${text}`)
    for (;;) {
      this.say(text)
      for (let at = 0; at < 20; at++) {
        await new Promise((resolve) => setTimeout(resolve, 10))
        const answer = this.heard.find(isAnswer)
        if (answer !== undefined) return answer.slice(0, answer.length - text.length - 1)
      }
      if (performance.now() > deadline) throw new Error(`no answer to ${text}`)
    }
  }
}
