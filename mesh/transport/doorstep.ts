import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { isIP, createServer, type Server, type Socket } from 'node:net'
import { MeshError } from '../base/mesh-error.ts'

export interface DoorstepOptions {
  readonly host: string
  readonly tcpPorts: readonly number[]
  readonly udpPort: number
  /** What whoever knocks hears: nobody else on that address could know it. */
  readonly word: string
}

/** Of visitors; a newcomer stands there for seconds, for one manager. */
const maxConnections = 64

/**
 * A newcomer's ports before it is a member: held, so that it is sure to have them, and answering
 * with its word, so that a manager can tell whether they are open before it lets the node in.
 * Rejects with `transport/cannot-listen`.
 */
export async function standOnDoorstep(options: DoorstepOptions): Promise<AsyncDisposable> {
  await using scope = new AsyncDisposableStack()
  for (const port of options.tcpPorts) scope.use(await answerStreams(options, port))
  scope.use(await answerPackets(options))
  const held = scope.move()
  return { [Symbol.asyncDispose]: () => held.disposeAsync() }
}

async function answerStreams({ host, word }: DoorstepOptions, port: number) {
  const visitors = new Set<Socket>()
  const server: Server = createServer((socket) => {
    visitors.add(socket)
    socket.once('close', () => visitors.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.end(word)
  })
  server.maxConnections = maxConnections
  server.listen({ host, port })
  await listening(server, { protocol: 'tcp', host, port })
  return {
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      for (const visitor of visitors) visitor.destroy()
      await closed
    },
  }
}

async function answerPackets({ host, word, udpPort }: DoorstepOptions) {
  const socket = createSocket(isIP(host) === 6 ? 'udp6' : 'udp4')
  // No longer than what came: it must not be of use to make others' traffic grow.
  socket.on('message', (packet, from) => {
    if (packet.length >= word.length) socket.send(word, from.port, from.address)
  })
  socket.bind(udpPort, host)
  await listening(socket, { protocol: 'udp', host, port: udpPort })
  socket.on('error', () => {})
  return {
    async [Symbol.asyncDispose]() {
      const closed = once(socket, 'close')
      socket.close()
      await closed
    },
  }
}

interface Place {
  readonly protocol: 'tcp' | 'udp'
  readonly host: string
  readonly port: number
}

async function listening(server: NodeJS.EventEmitter, place: Place): Promise<void> {
  try {
    await once(server, 'listening')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new MeshError({ code: 'transport/cannot-listen', ...place, reason })
  }
}
