/**
 * Listeners of a stream of batches. Batches are handed out one after the other: what a listener
 * causes while it is called comes after the batch that it is being called with, for everybody.
 */
export class Watchers<T> {
  readonly #listeners = new Set<(batch: readonly T[]) => void>()
  readonly #turns: (() => void)[] = []
  #isHandingOut = false

  /** `first` is asked when the listener's turn has come, so nothing is missed or told twice. */
  add(listener: (batch: readonly T[]) => void, first: () => readonly T[]): () => void {
    this.#inTurn(() => {
      this.#listeners.add(listener)
      listener(first())
    })
    return () => {
      this.#listeners.delete(listener)
    }
  }

  tell(batch: readonly T[]): void {
    if (batch.length === 0) return
    this.#inTurn(() => {
      for (const listener of this.#listeners) listener(batch)
    })
  }

  #inTurn(turn: () => void): void {
    this.#turns.push(turn)
    if (this.#isHandingOut) return
    this.#isHandingOut = true
    try {
      for (let next = this.#turns.shift(); next !== undefined; next = this.#turns.shift()) next()
    } finally {
      this.#isHandingOut = false
    }
  }
}
