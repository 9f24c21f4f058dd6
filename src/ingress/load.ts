/** Open connections from the clients of this thread, per task: what picking compares. */
export class Load {
  readonly #open = new Map<string, number>()

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
}
