import type { RingConnection } from './ring-connection.ts'

/** Who found no slab to receive into, or to send from; each stands here once. */
export class StarvedLine {
  #waiting: RingConnection[] = []

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  add(connection: RingConnection): void {
    if (connection.isStarved) return
    connection.isStarved = true
    this.#waiting.push(connection)
  }

  /** They try again; those who find nothing come back. */
  takeAll(): readonly RingConnection[] {
    const taken = this.#waiting
    this.#waiting = []
    for (const each of taken) each.isStarved = false
    return taken
  }
}
