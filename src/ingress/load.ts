/** Open connections from the clients of this thread, per task: what picking compares. */
export class Load {
  readonly #open = new Map<string, number>()
  readonly #turns = new Map<number, number>()

  of(task: string): number {
    return this.#open.get(task) ?? 0
  }

  add(task: string): void {
    this.#open.set(task, this.of(task) + 1)
  }

  remove(task: string): void {
    const left = this.of(task) - 1
    if (left > 0) this.#open.set(task, left)
    else this.#open.delete(task)
  }

  /** Counts the picks of a port, for `round-robin`. */
  nextTurn(port: number): number {
    const turn = this.#turns.get(port) ?? 0
    this.#turns.set(port, (turn + 1) % 2 ** 30)
    return turn
  }
}
