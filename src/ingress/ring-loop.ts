import { assert } from '../../mesh/base/assert.ts'
import type { Clock } from '../../mesh/base/clock.ts'
import { errorName } from '../kernel/calls.ts'
import { Ring, type Completed, type Completion } from '../kernel/ring.ts'
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
import { StarvedLine } from './starved-line.ts'
import { moveOut, nextPart } from './outgoing.ts'
import type { RingConnection } from './ring-connection.ts'
import { keepAliveSeconds, RingListeners } from './ring-listeners.ts'
import { SlabBook } from './slab-book.ts'
import { slotSpan, ConnectionTable } from './connection-table.ts'
import { Turns } from './turns.ts'

const slabs = 1024
const highWaterBytes = 256 * 1024
const roomAgainBytes = 64 * 1024
const queuedBytesLimit = 1024 * 1024
const closingLimitMs = 30_000
const failure = { again: -11, noBuffers: -105 } as const

/** What an operation was, in the bits above the slot. */
const kind = { receive: 0, send: 1, writable: 2, accept: 3 } as const

/** The loop over io_uring: all that one turn of many connections needs in one call or two. */
export class RingLoop implements Loop {
  readonly #clock: Clock
  readonly #ring: Ring
  readonly #sockets: Sockets
  readonly #book: SlabBook
  readonly #connections = new ConnectionTable()
  readonly #listeners: RingListeners
  readonly #turns: Turns
  readonly #toFlush: RingConnection[] = []
  readonly #starved = new StarvedLine()
  /** Closed only once no operation that names them waits to be handed over. */
  readonly #descriptors: number[] = []

  constructor(clock: Clock) {
    this.#clock = clock
    this.#ring = new Ring(slabs, () => this.#turns.run())
    const onCompleted: Completed = (...of) => this.#completed(...of)
    this.#turns = new Turns({
      collect: () => this.#ring.turn(onCompleted),
      handOver: () => this.#handOver(),
    })
    this.#sockets = new Sockets(this.#ring.calls)
    this.#book = new SlabBook(this.#ring.arena)
    this.#listeners = new RingListeners({
      clock,
      sockets: this.#sockets,
      soon: (action) => this.#turns.soon(action),
      arm: (fd, id) => {
        this.#ring.accept(fd, kind.accept << 20, id)
        this.#turns.want()
      },
      giveUp: (fd) => this.#giveUp(fd),
      onClient: (fd, acceptor) => this.#adoptClient(fd, acceptor),
    })
  }

  listen(spec: ListenSpec, acceptor: Acceptor): Listening {
    return this.#listeners.open(spec, acceptor)
  }

  unlisten(listening: Listening): void {
    this.#listeners.close(listening)
  }

  connect(to: Address, handler: ConnectionHandler, timeoutMs: number): Conn {
    const opened = this.#connections.isFull
      ? { code: 'EMFILE' }
      : this.#sockets.connect({ host: to.host, port: to.port }, keepAliveSeconds)
    const connection = this.#connections.add('code' in opened ? -1 : opened.fd, handler)
    if ('code' in opened) {
      this.#turns.soon(() => this.#fail(connection, causeOf(opened.code, false)))
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
    if (!this.#starved.isEmpty) this.#turns.want()
  }

  slabOf(bytes: Uint8Array): Slab {
    return this.#book.slabOf(bytes)
  }

  send(conn: Conn, slab: Slab, offset: number, length: number): boolean {
    assert(offset >= 0 && offset + length <= this.memory(slab).length, 'a part lies in its slab')
    const connection = this.#connections.find(conn)
    if (connection === null || length === 0) {
      this.release(slab)
      return true
    }
    if (connection.queuedBytes + length > queuedBytesLimit) {
      this.release(slab)
      this.#turns.soon(() => this.#fail(connection, 'overflow'))
      return true
    }
    connection.queue.push({ slab, offset, length })
    connection.queuedBytes += length
    if (connection.isStalled) moveOut(connection.queue, this.#book)
    else this.#flushLater(connection)
    if (connection.queuedBytes < highWaterBytes) return true
    connection.isDrainAwaited = true
    return false
  }

  pause(conn: Conn): void {
    const connection = this.#connections.find(conn)
    if (connection !== null) connection.isPaused = true
  }

  resume(conn: Conn): void {
    const connection = this.#connections.find(conn)
    if (connection === null) return
    connection.isPaused = false
    if (connection.held === null && !connection.hasEnded) this.#receive(connection)
    else this.#deliverLater(connection)
  }

  shutdown(conn: Conn): void {
    const connection = this.#connections.find(conn)
    if (connection === null) return
    connection.isFinDue = true
    this.#flushLater(connection)
  }

  reset(conn: Conn): void {
    const connection = this.#connections.find(conn)
    if (connection === null) return
    connection.isSilent = true
    this.#drop(connection)
  }

  close(conn: Conn): void {
    const connection = this.#connections.find(conn)
    if (connection === null) return
    connection.isSilent = true
    connection.isCloseDue = true
    connection.cancelTimeout()
    // Somebody who never takes the rest would be here for ever.
    connection.cancelTimeout = this.#clock.after(closingLimitMs, () => this.#drop(connection))
    this.#flushLater(connection)
  }

  remoteAddress(conn: Conn): Address {
    return plain(this.#sockets.remoteAddress(this.#connections.find(conn)?.fd ?? -1))
  }

  localAddress(conn: Conn): Address {
    return plain(this.#sockets.localAddress(this.#connections.find(conn)?.fd ?? -1))
  }

  atTurnEnd(action: () => void): void {
    this.#turns.atEnd(action)
  }

  stop(): void {
    if (this.#turns.isStopped) return
    this.#listeners.closeAll()
    for (const conn of this.#connections.all()) this.reset(conn)
    this.#turns.stop()
    this.#ring.close()
    for (const fd of this.#descriptors.splice(0)) this.#sockets.close(fd)
  }

  /** The second half of a round: all that the handlers asked for, in one call. Whether more waits. */
  #handOver(): boolean {
    if (this.#ring.arena.free > 0) {
      for (const each of this.#starved.takeAll()) {
        this.#receive(each)
        this.#flushLater(each)
      }
    }
    for (const each of this.#toFlush.splice(0)) this.#flush(each)
    this.#ring.submit()
    for (const fd of this.#descriptors.splice(0)) this.#sockets.close(fd)
    return this.#toFlush.length > 0
  }

  #completed(tag: number, generation: number, completion: Completion): void {
    const what = tag >>> 20
    const slot = tag & (slotSpan - 1)
    if (what === kind.accept) return this.#listeners.accepted(generation, completion)
    const connection = this.#connections.at(slot, generation)
    if (what === kind.receive) this.#received(connection, completion)
    else if (what === kind.send) this.#sent(connection, completion.value)
    else this.#writable(connection)
    if (connection.isGone && !connection.isBusy) this.#free(connection)
  }

  #adoptClient(fd: number, acceptor: Acceptor): boolean {
    if (this.#connections.isFull) return false
    const connection = this.#connections.add(fd, unheard)
    connection.isConnected = true
    const handler = acceptor.onAccept(connection.conn)
    if (handler === null) this.reset(connection.conn)
    else connection.handler = handler
    return true
  }

  #receive(connection: RingConnection): void {
    if (!connection.canReceive) return
    const { fd, slot, generation } = connection
    connection.isReceiving = true
    this.#ring.receive({ fd, tag: slot, generation, waits: connection.isEmpty })
    this.#turns.want()
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
    if (value === failure.noBuffers) this.#starved.add(connection)
    else if (value < 0 && !connection.isSilent) {
      return this.#fail(connection, causeOf(errorName(-value), true))
    }
    this.#deliver(connection)
  }

  #deliverLater(connection: RingConnection): void {
    if (connection.isDeliveryDue) return
    connection.isDeliveryDue = true
    this.#turns.soon(() => {
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
    this.#turns.want()
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
    this.#turns.want()
  }

  #flush(connection: RingConnection): void {
    connection.isFlushDue = false
    if (connection.isGone || connection.isSending || connection.isStalled) return
    if (!connection.isConnected) return
    if (connection.queue.length === 0) return this.#sendFin(connection)
    const part = nextPart(connection.queue, this.#book)
    if (part === null) return this.#starved.add(connection)
    const { fd, slot, generation } = connection
    connection.isSending = true
    connection.sendingSlab = part.slab
    connection.sendingIsCopy = part.isCopy
    this.#ring.send({ fd, tag: slot | (kind.send << 20), generation }, part.slab, part)
  }

  #sent(connection: RingConnection, value: number): void {
    connection.isSending = false
    if (connection.sendingIsCopy) this.#ring.arena.give(connection.sendingSlab)
    if (connection.isGone) return
    if (value > 0) for (const piece of connection.sent(value)) this.#book.release(piece.slab)
    if (value === failure.again) {
      moveOut(connection.queue, this.#book)
      return this.#awaitRoom(connection)
    }
    if (value < 0) return this.#fail(connection, causeOf(errorName(-value), true))
    this.#flushLater(connection)
    if (!connection.isDrainAwaited || connection.queuedBytes > roomAgainBytes) return
    connection.isDrainAwaited = false
    if (!connection.isSilent) connection.handler.onDrained(connection.conn)
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
    if (!connection.isBusy) this.#turns.soon(() => this.#free(connection))
  }

  /** The kernel has said its last word. */
  #free(connection: RingConnection): void {
    if (!this.#connections.remove(connection)) return
    for (const { slab } of connection.queue.splice(0)) this.release(slab)
  }

  #giveUp(fd: number): void {
    this.#descriptors.push(fd)
    this.#turns.want()
  }
}

function plain(address: Address | null): Address {
  return { host: plainHost(address?.host), port: address?.port ?? 0 }
}
