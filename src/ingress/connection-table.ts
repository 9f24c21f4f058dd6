import { assert } from '../../mesh/base/assert.ts'
import type { Conn, ConnectionHandler } from './loop.ts'
import { RingConnection } from './ring-connection.ts'

/** Slots below, generations above: both fit into the 53 bits of a number. */
export const slotSpan = 2 ** 20
const connectionsLimit = 65_536

/** The connections of a ring by slot; a slot's next owner has another number. */
export class ConnectionTable {
  readonly #connections: (RingConnection | null)[] = []
  readonly #generations: number[] = []
  readonly #freeSlots: number[] = []

  get isFull(): boolean {
    return this.#connections.length - this.#freeSlots.length >= connectionsLimit
  }

  add(fd: number, handler: ConnectionHandler): RingConnection {
    const slot = this.#freeSlots.pop() ?? this.#connections.length
    const generation = (this.#generations[slot] ?? 0) + 1
    this.#generations[slot] = generation
    const conn = (generation * slotSpan + slot) as Conn
    const connection = new RingConnection({ conn, fd, slot, generation, handler })
    this.#connections[slot] = connection
    return connection
  }

  /** Null once nobody listens to it any more. */
  find(conn: Conn): RingConnection | null {
    const connection = this.#connections[conn % slotSpan] ?? null
    return connection !== null && connection.conn === conn && !connection.isSilent
      ? connection
      : null
  }

  /** Of an operation of the kernel's. */
  at(slot: number, generation: number): RingConnection {
    const connection = this.#connections[slot]
    assert(connection?.generation === generation, 'a slot waits for the last word of the kernel')
    return connection
  }

  all(): Conn[] {
    return this.#connections.flatMap((each) => (each === null ? [] : [each.conn]))
  }

  /** False when it was gone before. */
  remove(connection: RingConnection): boolean {
    if (this.#connections[connection.slot] !== connection) return false
    this.#connections[connection.slot] = null
    this.#freeSlots.push(connection.slot)
    return true
  }
}
