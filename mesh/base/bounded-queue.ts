/** First in, first out, with a limit: `push` says no, and only the caller knows what that means. */
export class BoundedQueue<T> {
  readonly #capacity: number
  readonly #items: T[] = []

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get length(): number {
    return this.#items.length
  }

  push(item: T): boolean {
    if (this.#items.length >= this.#capacity) return false
    this.#items.push(item)
    return true
  }

  shift(): T | undefined {
    return this.#items.shift()
  }

  /** Everything that waits, in order; the queue is empty afterwards. */
  drain(): T[] {
    return this.#items.splice(0)
  }
}
