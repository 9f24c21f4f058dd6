import { assert } from '../../mesh/base/assert.ts'
import type { Clock } from '../../mesh/base/clock.ts'
import { slabBytes } from '../kernel/arena.ts'
import { errorName } from '../kernel/calls.ts'
import { Ring, type Completion } from '../kernel/ring.ts'
import { Sockets } from '../kernel/sockets.ts'
import { causeOf, unheard } from './close-cause.ts'
import { plainHost } from './loop.ts'
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
import { RingConnection } from './ring-connection.ts'
import { SlabBook } from './slab-book.ts'

const slabs = 1024
const highWaterBytes = 256 * 1024
const roomAgainBytes = 64 * 1024
const queuedBytesLimit = 1024 * 1024
const connectionsLimit = 65_536
const keepAliveSeconds = 15
const closingLimitMs = 30_000
const acceptBacklog = 4096
/** After the kernel had no descriptor for a client. */
const acceptAgainMs = 50
/** Rounds of one turn, before the rest of Node has its own. */
const roundsLimit = 8
/** A piece from here on is sent as it lies, however many follow it. */
const wholePieceBytes = 16 * 1024
const slotSpan = 2 ** 20
const again = -11
const noBuffers = -105

/** What an operation was, in the bits above the slot. */
const kind = { receive: 0, send: 1, writable: 2, accept: 3 } as const

interface Listener {
  readonly fd: number
  readonly slot: number
  readonly acceptor: Acceptor
  isClosed: boolean
}

/** The loop over io_uring: all that one turn of many connections needs in one call or two. */
export class RingLoop implements Loop {
  readonly #clock: Clock
  readonly #ring: Ring
  readonly #sockets: Sockets
  readonly #book: SlabBook
  readonly #connections: (RingConnection | null)[] = []
  readonly #generations: number[] = []
  readonly #freeSlots: number[] = []
  readonly #listeners = new Map<Listening, Listener>()
  #nextListening = 1
  #turnEnd: (() => void)[] = []
  #later: (() => void)[] = []
  #toFlush: RingConnection[] = []
  /** Had no slab to receive into, or to send from. */
  #starved: RingConnection[] = []
  /** Closed only once no operation that names them waits to be handed over. */
  #descriptors: number[] = []
  #isTurnDue = false
  #isStopped = false
  readonly #onCompleted = (tag: number, generation: number, completion: Completion): void =>
    this.#completed(tag, generation, completion)

  constructor(clock: Clock) {
    this.#clock = clock
    this.#ring = new Ring(slabs, () => this.#turn())
    this.#sockets = new Sockets(this.#ring.calls)
    this.#book = new SlabBook(this.#ring.arena)
  }

  listen(spec: ListenSpec, acceptor: Acceptor): Listening {
    const listening = this.#nextListening++ as Listening
    const { host, port, shared, isV6Only = false } = spec
    const options = { host, port, shared, isV6Only, backlog: acceptBacklog, keepAliveSeconds }
    const opened = this.#sockets.listen(options)
    if ('code' in opened) {
      this.#soon(() => acceptor.onListenFailed(opened.code))
      return listening
    }
    const listener = { fd: opened.fd, slot: listening, acceptor, isClosed: false }
    this.#listeners.set(listening, listener)
    this.#soon(() => {
      if (listener.isClosed) return
      this.#accept(listener)
      acceptor.onListening(this.#sockets.localAddress(listener.fd) ?? { host, port })
    })
    return listening
  }

  unlisten(listening: Listening): void {
    const listener = this.#listeners.get(listening)
    if (listener === undefined) return
    this.#listeners.delete(listening)
    listener.isClosed = true
    this.#sockets.shutdown(listener.fd)
    this.#giveUp(listener.fd)
  }

  connect(to: Address, handler: ConnectionHandler, timeoutMs: number): Conn {
    const opened = this.#isFull
      ? { code: 'EMFILE' }
      : this.#sockets.connect({ host: to.host, port: to.port }, keepAliveSeconds)
    const connection = this.#adopt('code' in opened ? -1 : opened.fd, handler)
    if ('code' in opened) {
      this.#soon(() => this.#fail(connection, causeOf(opened.code, false)))
      return connection.conn
    }
    connection.cancelTimeout = this.#clock.after(timeoutMs, () => {
      this.#fail(connection, 'timed-out')
    })
    this.#awaitRoom(connection)
    return connection.conn
  }

  memory(slab: Slab): Uint8Array {
    return this.#book.memory(slab)
  }

  release(slab: Slab): void {
    this.#book.release(slab)
    if (this.#starved.length > 0) this.#wantTurn()
  }

  slabOf(bytes: Uint8Array): Slab {
    return this.#book.slabOf(bytes)
  }

  send(conn: Conn, slab: Slab, offset: number, length: number): boolean {
    assert(offset >= 0 && offset + length <= this.memory(slab).length, 'a part lies in its slab')
    const connection = this.#find(conn)
    if (connection === null || length === 0) {
      this.release(slab)
      return true
    }
    if (connection.queuedBytes + length > queuedBytesLimit) {
      this.release(slab)
      this.#soon(() => this.#fail(connection, 'overflow'))
      return true
    }
    connection.queue.push({ slab, offset, length })
    connection.queuedBytes += length
    if (connection.isStalled) this.#moveOut(connection)
    else this.#flushLater(connection)
    if (connection.queuedBytes < highWaterBytes) return true
    connection.isDrainAwaited = true
    return false
  }

  pause(conn: Conn): void {
    const connection = this.#find(conn)
    if (connection !== null) connection.isPaused = true
  }

  resume(conn: Conn): void {
    const connection = this.#find(conn)
    if (connection === null) return
    connection.isPaused = false
    if (connection.held === null && !connection.hasEnded) this.#receive(connection)
    else this.#deliverLater(connection)
  }

  shutdown(conn: Conn): void {
    const connection = this.#find(conn)
    if (connection === null) return
    connection.isFinDue = true
    this.#flushLater(connection)
  }

  reset(conn: Conn): void {
    const connection = this.#find(conn)
    if (connection === null) return
    connection.isSilent = true
    this.#drop(connection)
  }

  close(conn: Conn): void {
    const connection = this.#find(conn)
    if (connection === null) return
    connection.isSilent = true
    connection.isCloseDue = true
    connection.cancelTimeout()
    // Somebody who never takes the rest would be here for ever.
    connection.cancelTimeout = this.#clock.after(closingLimitMs, () => this.#drop(connection))
    this.#flushLater(connection)
  }

  remoteAddress(conn: Conn): Address {
    const fd = this.#find(conn)?.fd
    return plain(fd === undefined ? null : this.#sockets.remoteAddress(fd))
  }

  localAddress(conn: Conn): Address {
    const fd = this.#find(conn)?.fd
    return plain(fd === undefined ? null : this.#sockets.localAddress(fd))
  }

  atTurnEnd(action: () => void): void {
    this.#turnEnd.push(action)
    this.#wantTurn()
  }

  stop(): void {
    if (this.#isStopped) return
    for (const listening of this.#listeners.keys()) this.unlisten(listening)
    for (const connection of this.#connections) {
      if (connection !== null) this.reset(connection.conn)
    }
    this.#isStopped = true
    this.#ring.close()
    this.#closeDescriptors()
  }

  get #isFull(): boolean {
    return this.#connections.length - this.#freeSlots.length >= connectionsLimit
  }

  #wantTurn(): void {
    if (this.#isTurnDue) return
    this.#isTurnDue = true
    setImmediate(() => this.#turn())
  }

  #soon(action: () => void): void {
    this.#later.push(action)
    this.#wantTurn()
  }

  #turn(): void {
    this.#isTurnDue = false
    for (let round = 0; round < roundsLimit && !this.#isStopped; round++) {
      for (const action of take(this.#later, (rest) => (this.#later = rest))) action()
      const done = this.#ring.turn(this.#onCompleted)
      if (this.#isStopped) return
      for (const action of take(this.#turnEnd, (rest) => (this.#turnEnd = rest))) action()
      this.#feed()
      for (const each of take(this.#toFlush, (rest) => (this.#toFlush = rest))) this.#flush(each)
      this.#ring.submit()
      this.#closeDescriptors()
      if (done === 0 && this.#later.length + this.#turnEnd.length + this.#toFlush.length === 0) {
        return
      }
    }
    // What came meanwhile rings no bell any more.
    if (!this.#isStopped) this.#wantTurn()
  }

  /** Whoever starved tries again; those who find nothing come back here. */
  #feed(): void {
    if (this.#starved.length === 0 || this.#ring.arena.free === 0) return
    for (const each of take(this.#starved, (rest) => (this.#starved = rest))) {
      each.isStarved = false
      this.#receive(each)
      this.#flushLater(each)
    }
  }

  #starve(connection: RingConnection): void {
    if (connection.isStarved) return
    connection.isStarved = true
    this.#starved.push(connection)
  }

  #completed(tag: number, generation: number, completion: Completion): void {
    const what = tag >>> 20
    const slot = tag & (slotSpan - 1)
    if (what === kind.accept) return this.#accepted(slot as Listening, completion)
    const connection = this.#connections[slot]
    assert(connection?.generation === generation, 'a slot waits for the last word of the kernel')
    if (what === kind.receive) this.#received(connection, completion)
    else if (what === kind.send) this.#sent(connection, completion.value)
    else this.#writable(connection)
    if (connection.isGone && !connection.isBusy) this.#free(connection)
  }

  #accept(listener: Listener): void {
    this.#ring.accept(listener.fd, listener.slot | (kind.accept << 20), 0)
    this.#wantTurn()
  }

  #accepted(listening: Listening, { value, hasMore }: Completion): void {
    const listener = this.#listeners.get(listening)
    if (listener === undefined) {
      if (value >= 0) this.#refuse(value)
      return
    }
    if (!hasMore) {
      this.#clock.after(value < 0 ? acceptAgainMs : 0, () => {
        if (!listener.isClosed && !this.#isStopped) this.#accept(listener)
      })
    }
    if (value < 0) return
    if (this.#isFull) return this.#refuse(value)
    const connection = this.#adopt(value, unheard)
    connection.isConnected = true
    const handler = listener.acceptor.onAccept(connection.conn)
    if (handler === null) this.reset(connection.conn)
    else connection.handler = handler
  }

  #refuse(fd: number): void {
    this.#sockets.disconnect(fd)
    this.#giveUp(fd)
  }

  #adopt(fd: number, handler: ConnectionHandler): RingConnection {
    const slot = this.#freeSlots.pop() ?? this.#connections.length
    const generation = (this.#generations[slot] ?? 0) + 1
    this.#generations[slot] = generation
    const conn = (generation * slotSpan + slot) as Conn
    const connection = new RingConnection({ conn, fd, slot, generation, handler })
    this.#connections[slot] = connection
    return connection
  }

  #receive(connection: RingConnection): void {
    const { fd, slot, generation, isReceiving, isPaused, isConnected, hasEnded } = connection
    if (isReceiving || isPaused || !isConnected || hasEnded || connection.isGone) return
    if (connection.held !== null) return
    connection.isReceiving = true
    this.#ring.receive({ fd, tag: slot, generation, waits: connection.isEmpty })
    this.#wantTurn()
  }

  #received(connection: RingConnection, { value, slab, isNonEmpty }: Completion): void {
    connection.isReceiving = false
    connection.isEmpty = !isNonEmpty
    if (value <= 0 && slab >= 0) this.#ring.arena.give(slab)
    if (value > 0 && connection.isSilent) this.#ring.arena.give(slab)
    if (connection.isGone) return
    if (value > 0 && !connection.isSilent) {
      connection.held = { slab: slab as Slab, offset: 0, length: value }
    }
    if (value === 0) connection.hasEnded = true
    if (value === noBuffers) this.#starve(connection)
    else if (value < 0 && !connection.isSilent) {
      return this.#fail(connection, causeOf(errorName(-value), true))
    }
    this.#deliver(connection)
  }

  #deliverLater(connection: RingConnection): void {
    if (connection.isDeliveryDue) return
    connection.isDeliveryDue = true
    this.#soon(() => {
      connection.isDeliveryDue = false
      this.#deliver(connection)
    })
  }

  /** What came, in order: bytes, then the end; and asks for more. */
  #deliver(connection: RingConnection): void {
    const { held, handler, conn } = connection
    if (connection.isSilent || connection.isPaused) return
    if (held !== null) {
      connection.held = null
      handler.onReceive(conn, held.slab, held.offset, held.length)
    }
    if (connection.isSilent || connection.isPaused) return
    if (!connection.hasEnded) {
      if (!connection.isStarved) this.#receive(connection)
      return
    }
    if (!connection.hasToldEnd) {
      connection.hasToldEnd = true
      handler.onEnd(conn)
    }
    this.#endIfDone(connection)
  }

  #endIfDone(connection: RingConnection): void {
    if (connection.isSilent || !connection.hasToldEnd || !connection.hasSentFin) return
    this.#tellClosed(connection, 'ended')
  }

  #awaitRoom(connection: RingConnection): void {
    const { fd, slot, generation } = connection
    connection.isStalled = true
    this.#ring.whenWritable(fd, slot | (kind.writable << 20), generation)
    this.#wantTurn()
  }

  #writable(connection: RingConnection): void {
    connection.isStalled = false
    if (connection.isGone) return
    if (connection.isConnected) return this.#flushLater(connection)
    connection.cancelTimeout()
    const code = this.#sockets.fault(connection.fd)
    if (code !== null) return this.#fail(connection, causeOf(code, false))
    connection.isConnected = true
    this.#flushLater(connection)
    if (connection.isSilent) return
    connection.handler.onConnected(connection.conn)
    this.#receive(connection)
  }

  #flushLater(connection: RingConnection): void {
    if (connection.isFlushDue || connection.isGone) return
    connection.isFlushDue = true
    this.#toFlush.push(connection)
    this.#wantTurn()
  }

  #flush(connection: RingConnection): void {
    connection.isFlushDue = false
    if (connection.isGone || connection.isSending || connection.isStalled) return
    if (!connection.isConnected) return
    if (connection.queue.length === 0) return this.#sendFin(connection)
    const part = this.#nextPart(connection)
    if (part === null) return this.#starve(connection)
    const { fd, slot, generation } = connection
    connection.isSending = true
    connection.sendingSlab = part.slab
    connection.sendingIsCopy = part.isCopy
    this.#ring.send({ fd, tag: slot | (kind.send << 20), generation }, part.slab, part)
  }

  /** The first piece as it lies in the arena, or copies of the first ones beside one another. */
  #nextPart(connection: RingConnection) {
    const [first, second] = connection.queue
    assert(first !== undefined, 'something waits')
    const isWhole = second === undefined || first.length >= wholePieceBytes
    if (isWhole && !this.#book.isForeign(first.slab)) return { ...first, isCopy: false }
    const slab = this.#ring.arena.take()
    if (slab === null) return null
    const target = this.#ring.arena.view(slab)
    let length = 0
    for (const piece of connection.queue) {
      const count = Math.min(piece.length, slabBytes - length)
      const from = this.memory(piece.slab)
      target.set(from.subarray(piece.offset, piece.offset + count), length)
      length += count
      if (length === slabBytes) break
    }
    return { slab, offset: 0, length, isCopy: true }
  }

  #sent(connection: RingConnection, value: number): void {
    connection.isSending = false
    if (connection.sendingIsCopy) this.#ring.arena.give(connection.sendingSlab)
    if (connection.isGone) return
    if (value > 0) for (const piece of connection.sent(value)) this.#book.release(piece.slab)
    if (value === again) {
      this.#moveOut(connection)
      return this.#awaitRoom(connection)
    }
    if (value < 0) return this.#fail(connection, causeOf(errorName(-value), true))
    this.#flushLater(connection)
    if (!connection.isDrainAwaited || connection.queuedBytes > roomAgainBytes) return
    connection.isDrainAwaited = false
    if (!connection.isSilent) connection.handler.onDrained(connection.conn)
  }

  /** Who does not read holds none of the arena: what waits for him waits elsewhere. */
  #moveOut(connection: RingConnection): void {
    connection.queue.forEach((piece, at) => {
      const { slab, offset, length } = piece
      if (this.#book.isForeign(slab)) return
      const bytes = this.memory(slab).slice(offset, offset + length)
      this.release(slab)
      connection.queue[at] = { slab: this.slabOf(bytes), offset: 0, length }
    })
  }

  #sendFin(connection: RingConnection): void {
    if (connection.isCloseDue) {
      this.#sockets.shutdown(connection.fd)
      return this.#leave(connection)
    }
    if (!connection.isFinDue || connection.hasSentFin) return
    connection.hasSentFin = true
    this.#sockets.shutdownSending(connection.fd)
    this.#endIfDone(connection)
  }

  #tellClosed(connection: RingConnection, cause: CloseCause): void {
    connection.isSilent = true
    this.#leave(connection)
    connection.handler.onClosed(connection.conn, cause)
  }

  #fail(connection: RingConnection, cause: CloseCause): void {
    if (connection.isGone) return
    const isHeard = !connection.isSilent
    connection.isSilent = true
    this.#drop(connection)
    if (isHeard) connection.handler.onClosed(connection.conn, cause)
  }

  /** RST, now. */
  #drop(connection: RingConnection): void {
    if (connection.isGone) return
    if (connection.fd >= 0) this.#sockets.disconnect(connection.fd)
    this.#leave(connection)
  }

  #leave(connection: RingConnection): void {
    connection.isGone = true
    connection.cancelTimeout()
    if (connection.held !== null) this.release(connection.held.slab)
    connection.held = null
    const isSendingFirst = connection.isSending && !connection.sendingIsCopy
    for (const { slab } of connection.queue.splice(isSendingFirst ? 1 : 0)) this.release(slab)
    if (connection.fd >= 0) this.#giveUp(connection.fd)
    if (!connection.isBusy) this.#soon(() => this.#free(connection))
  }

  /** The kernel has said its last word. */
  #free(connection: RingConnection): void {
    if (this.#connections[connection.slot] !== connection) return
    for (const { slab } of connection.queue.splice(0)) this.release(slab)
    this.#connections[connection.slot] = null
    this.#freeSlots.push(connection.slot)
  }

  #giveUp(fd: number): void {
    this.#descriptors.push(fd)
    this.#wantTurn()
  }

  #closeDescriptors(): void {
    for (const fd of this.#descriptors.splice(0)) this.#sockets.close(fd)
  }

  #find(conn: Conn): RingConnection | null {
    const connection = this.#connections[conn % slotSpan] ?? null
    return connection !== null && connection.conn === conn && !connection.isSilent
      ? connection
      : null
  }
}

function plain(address: Address | null): Address {
  return { host: plainHost(address?.host), port: address?.port ?? 0 }
}

function take<T>(list: T[], replace: (rest: T[]) => void): T[] {
  if (list.length > 0) replace([])
  return list
}
