import { createServer, connect as dial, type Server, type Socket } from 'node:net'
import { assert } from '../../mesh/base/assert.ts'
import type { Clock } from '../../mesh/base/clock.ts'
import type {
  Acceptor,
  Address,
  CloseCause,
  Conn,
  ConnectionHandler,
  Listening,
  ListenSpec,
  Loop,
  Slab,
} from './loop.ts'
import { plainHost } from './loop.ts'

export interface NetLoopLimits {
  /** `send` answers false from here on. */
  readonly highWaterBytes: number
  /** A connection with more than this queued is reset. */
  readonly queuedBytes: number
  readonly connections: number
}

export const netLoopLimits: NetLoopLimits = {
  highWaterBytes: 256 * 1024,
  queuedBytes: 1024 * 1024,
  connections: 65_536,
}

const keepAliveDelayMs = 15_000
/** How long a peer may take for what is left once we have left. */
const closingLimitMs = 30_000
/** A burst of clients beyond this would wait a second for their second SYN. */
const acceptBacklog = 4096
/** Slots below, generations above: both fit into the 53 bits of a number. */
const slotSpan = 2 ** 20

interface Connection {
  readonly conn: Conn
  readonly socket: Socket
  handler: ConnectionHandler
  isConnected: boolean
  /** Nobody listens any more: closed, reset, or left to flush. */
  isSilent: boolean
  isDrainAwaited: boolean
  isPaused: boolean
  /** The peer has half-closed, and nobody could be told: Node tells it to the paused, too. */
  isEndHeld: boolean
  cause: CloseCause | null
  cancelTimeout: () => void
}

/** The loop over `node:net`: works everywhere, copies nothing, and costs a stream per connection. */
export class NetLoop implements Loop {
  readonly #clock: Clock
  readonly #limits: NetLoopLimits
  readonly #connections: (Connection | null)[] = []
  readonly #generations: number[] = []
  readonly #freeSlots: number[] = []
  readonly #slabs: (Uint8Array | null)[] = []
  readonly #freeSlabs: number[] = []
  readonly #servers = new Map<Listening, Server>()
  #nextListening = 1
  #turnEnd: (() => void)[] = []

  constructor(clock: Clock, limits: NetLoopLimits = netLoopLimits) {
    this.#clock = clock
    this.#limits = limits
  }

  listen(spec: ListenSpec, acceptor: Acceptor): Listening {
    const listening = this.#nextListening++ as Listening
    const server = createServer({
      allowHalfOpen: true,
      pauseOnConnect: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveDelayMs,
      highWaterMark: this.#limits.highWaterBytes,
    })
    this.#servers.set(listening, server)
    server.on('listening', () => acceptor.onListening(addressOf(server)))
    server.on('error', (error: NodeJS.ErrnoException) => {
      // Once it listens, an error is that of one connection that could not be accepted.
      if (server.listening) return
      if (this.#servers.delete(listening)) acceptor.onListenFailed(error.code ?? error.message)
    })
    server.on('connection', (socket) => this.#accept(socket, acceptor))
    const { host, port, shared, isV6Only = false } = spec
    const options = { host, port, reusePort: shared, ipv6Only: isV6Only }
    server.listen({ ...options, exclusive: true, backlog: acceptBacklog })
    return listening
  }

  unlisten(listening: Listening): void {
    this.#servers.get(listening)?.close()
    this.#servers.delete(listening)
  }

  connect(to: Address, handler: ConnectionHandler, timeoutMs: number): Conn {
    // A variable, since the types of `connect` leave out the stream's options.
    const options = {
      host: to.host,
      port: to.port,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveDelayMs,
      highWaterMark: this.#limits.highWaterBytes,
    }
    const socket = dial(options)
    const connection = this.#adopt(socket, handler)
    connection.cancelTimeout = this.#clock.after(timeoutMs, () => {
      connection.cause = 'timed-out'
      socket.destroy()
    })
    socket.once('connect', () => {
      connection.cancelTimeout()
      connection.isConnected = true
      if (!connection.isSilent) connection.handler.onConnected(connection.conn)
    })
    return connection.conn
  }

  memory(slab: Slab): Uint8Array {
    const bytes = this.#slabs[slab]
    assert(bytes !== null && bytes !== undefined, 'a slab is not used after it was given back')
    return bytes
  }

  release(slab: Slab): void {
    assert(this.#slabs[slab] !== null, 'a slab is given back once')
    this.#slabs[slab] = null
    this.#freeSlabs.push(slab)
  }

  slabOf(bytes: Uint8Array): Slab {
    const slab = this.#freeSlabs.pop() ?? this.#slabs.length
    this.#slabs[slab] = bytes
    return slab as Slab
  }

  send(conn: Conn, slab: Slab, offset: number, length: number): boolean {
    const bytes = this.memory(slab).subarray(offset, offset + length)
    this.release(slab)
    const connection = this.#find(conn)
    if (connection === null) return true
    const { socket } = connection
    if (socket.writableLength + length > this.#limits.queuedBytes) {
      this.#overflow(connection)
      return true
    }
    if (socket.write(bytes)) return true
    connection.isDrainAwaited = true
    return false
  }

  pause(conn: Conn): void {
    const connection = this.#find(conn)
    if (connection === null) return
    connection.isPaused = true
    connection.socket.pause()
  }

  resume(conn: Conn): void {
    const connection = this.#find(conn)
    if (connection === null) return
    connection.isPaused = false
    connection.socket.resume()
    if (connection.isEndHeld) setImmediate(() => this.#tellEnd(connection))
  }

  shutdown(conn: Conn): void {
    const socket = this.#find(conn)?.socket
    if (socket === undefined) return
    // FIN only once everything has left: libuv cannot reset what it is still shutting down.
    if (socket.writableLength === 0) socket.end()
    else socket.write(nothing, () => socket.end())
  }

  reset(conn: Conn): void {
    const connection = this.#find(conn)
    if (connection === null) return
    connection.isSilent = true
    resetSocket(connection.socket)
  }

  close(conn: Conn): void {
    const connection = this.#find(conn)
    if (connection === null) return
    connection.isSilent = true
    connection.socket.destroySoon()
    // Somebody who never takes the rest would be here for ever.
    connection.cancelTimeout = this.#clock.after(closingLimitMs, () => connection.socket.destroy())
  }

  remoteAddress(conn: Conn): Address {
    const socket = this.#find(conn)?.socket
    return { host: plainHost(socket?.remoteAddress), port: socket?.remotePort ?? 0 }
  }

  localAddress(conn: Conn): Address {
    const socket = this.#find(conn)?.socket
    return { host: plainHost(socket?.localAddress), port: socket?.localPort ?? 0 }
  }

  atTurnEnd(action: () => void): void {
    if (this.#turnEnd.length === 0) setImmediate(() => this.#endTurn())
    this.#turnEnd.push(action)
  }

  stop(): void {
    for (const listening of this.#servers.keys()) this.unlisten(listening)
    for (const connection of this.#connections) {
      if (connection !== null) this.reset(connection.conn)
    }
  }

  #accept(socket: Socket, acceptor: Acceptor): void {
    const isFull = this.#connections.length - this.#freeSlots.length >= this.#limits.connections
    if (isFull || socket.remoteAddress === undefined) {
      socket.resetAndDestroy()
      return
    }
    const connection = this.#adopt(socket, unheard)
    connection.isConnected = true
    const handler = acceptor.onAccept(connection.conn)
    if (handler === null) this.reset(connection.conn)
    else connection.handler = handler
  }

  #adopt(socket: Socket, handler: ConnectionHandler): Connection {
    const slot = this.#freeSlots.pop() ?? this.#connections.length
    const generation = (this.#generations[slot] ?? 0) + 1
    this.#generations[slot] = generation
    const connection: Connection = {
      conn: (generation * slotSpan + slot) as Conn,
      socket,
      handler,
      isConnected: false,
      isSilent: false,
      isDrainAwaited: false,
      isPaused: true,
      isEndHeld: false,
      cause: null,
      cancelTimeout: () => {},
    }
    this.#connections[slot] = connection
    socket.pause()
    socket.on('data', (bytes: Buffer) => {
      if (connection.isSilent) return
      connection.handler.onReceive(connection.conn, this.slabOf(bytes), 0, bytes.length)
    })
    socket.on('end', () => {
      connection.isEndHeld = true
      if (!connection.isPaused) this.#tellEnd(connection)
    })
    socket.on('drain', () => this.#drained(connection))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      connection.cause ??= causeOf(error.code, connection.isConnected)
    })
    socket.on('close', () => this.#closed(connection, slot))
    return connection
  }

  #tellEnd(connection: Connection): void {
    if (!connection.isEndHeld || connection.isPaused || connection.isSilent) return
    connection.isEndHeld = false
    connection.handler.onEnd(connection.conn)
  }

  #drained(connection: Connection): void {
    if (!connection.isDrainAwaited || connection.isSilent) return
    connection.isDrainAwaited = false
    connection.handler.onDrained(connection.conn)
  }

  #closed(connection: Connection, slot: number): void {
    connection.cancelTimeout()
    this.#connections[slot] = null
    this.#freeSlots.push(slot)
    if (connection.isSilent) return
    connection.isPaused = false
    this.#tellEnd(connection)
    connection.isSilent = true
    const isOrderly = connection.socket.readableEnded && connection.socket.writableFinished
    connection.handler.onClosed(
      connection.conn,
      connection.cause ?? (isOrderly ? 'ended' : 'reset'),
    )
  }

  #overflow(connection: Connection): void {
    connection.cause = 'overflow'
    resetSocket(connection.socket)
  }

  #find(conn: Conn): Connection | null {
    const connection = this.#connections[conn % slotSpan] ?? null
    return connection !== null && connection.conn === conn && !connection.isSilent
      ? connection
      : null
  }

  #endTurn(): void {
    const actions = this.#turnEnd
    this.#turnEnd = []
    for (const action of actions) action()
  }
}

const nothing = new Uint8Array(0)

/**
 * Between FIN and its confirmation libuv refuses to reset, and Node would keep the descriptor for
 * ever. All has left by then, so that an orderly end cuts nothing short.
 */
function resetSocket(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy()
  else socket.resetAndDestroy()
}

const unheard: ConnectionHandler = {
  onConnected: () => {},
  onReceive: () => {},
  onEnd: () => {},
  onDrained: () => {},
  onClosed: () => {},
}

const causes: Readonly<Record<string, CloseCause>> = {
  ECONNREFUSED: 'refused',
  ETIMEDOUT: 'timed-out',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  ENOTFOUND: 'unreachable',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
}

function causeOf(code: string | undefined, isConnected: boolean): CloseCause {
  const cause = causes[code ?? ''] ?? 'failed'
  return cause === 'reset' && !isConnected ? 'refused' : cause
}

function addressOf(server: Server): Address {
  const address = server.address()
  assert(address !== null && typeof address === 'object', 'a TCP listener has a port')
  return { host: address.address, port: address.port }
}
