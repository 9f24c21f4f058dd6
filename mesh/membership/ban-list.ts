import type { NodeId } from '../base/ids.ts'

/** Nodes that were removed. Bounded: the oldest ban goes first, long after its rumours died out. */
export class BanList {
  readonly #capacity: number
  readonly #banned = new Set<NodeId>()

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  has(node: NodeId): boolean {
    return this.#banned.has(node)
  }

  add(node: NodeId): void {
    this.#banned.delete(node)
    this.#banned.add(node)
    if (this.#banned.size <= this.#capacity) return
    for (const oldest of this.#banned) {
      this.#banned.delete(oldest)
      return
    }
  }

  lift(node: NodeId): void {
    this.#banned.delete(node)
  }
}
