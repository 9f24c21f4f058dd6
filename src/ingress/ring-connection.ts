import type { CloseCause, Conn, ConnectionHandler, Slab } from './loop.ts'

/** A part of a slab that waits to be sent. */
export interface Piece {
  readonly slab: Slab
  readonly offset: number
  readonly length: number
}

/**
 * What the ring's loop knows of one connection. It stays in its slot until the kernel has said its
 * last word about it: so no completion can ever meet a successor.
 */
export class RingConnection {
  readonly conn: Conn
  readonly fd: number
  readonly slot: number
  readonly generation: number
  handler: ConnectionHandler
  isConnected = false
  /** Nobody listens any more: closed, reset, or left to flush. */
  isSilent = false
  /** The descriptor is given up; only operations under way hold the slot. */
  isGone = false
  isPaused = true
  isReceiving = false
  /** The last receive has emptied the socket. */
  isEmpty = true
  isSending = false
  /** The kernel takes nothing until it says so. */
  isStalled = false
  isDrainAwaited = false
  isFlushDue = false
  /** Found no slab to receive into, or to send from. */
  isStarved = false
  isDeliveryDue = false
  /** FIN once the queue has left, and then all of it. */
  isFinDue = false
  hasSentFin = false
  isCloseDue = false
  hasEnded = false
  hasToldEnd = false
  /** Received while paused. */
  held: Piece | null = null
  readonly queue: Piece[] = []
  queuedBytes = 0
  /** The slab that the kernel sends from; it holds copies when `isCopy`. */
  sendingSlab = -1
  sendingIsCopy = false
  cause: CloseCause | null = null
  cancelTimeout: () => void = () => {}

  constructor(of: {
    readonly conn: Conn
    readonly fd: number
    readonly slot: number
    readonly generation: number
    readonly handler: ConnectionHandler
  }) {
    this.conn = of.conn
    this.fd = of.fd
    this.slot = of.slot
    this.generation = of.generation
    this.handler = of.handler
  }

  /** Wants bytes, and none are on their way to it or lie here for it. */
  get canReceive(): boolean {
    const isOpen = this.isConnected && !this.hasEnded && !this.isGone
    return isOpen && !this.isPaused && !this.isReceiving && this.held === null
  }

  get isBusy(): boolean {
    return this.isReceiving || this.isSending || this.isStalled
  }

  /** So many bytes have left. The pieces that left whole. */
  sent(bytes: number): Piece[] {
    this.queuedBytes -= bytes
    const left: Piece[] = []
    let rest = bytes
    for (let first = this.queue[0]; first !== undefined && rest >= first.length;) {
      rest -= first.length
      left.push(first)
      this.queue.shift()
      first = this.queue[0]
    }
    const first = this.queue[0]
    if (first !== undefined && rest > 0) {
      const { slab, offset, length } = first
      this.queue[0] = { slab, offset: offset + rest, length: length - rest }
    }
    return left
  }
}
