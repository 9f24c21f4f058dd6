/** How often each kind of thing happened. */
export class Tally {
  readonly #counts = new Map<string, number>()

  count(kind: string): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1)
  }

  add(other: Tally): void {
    for (const [kind, count] of other.entries()) {
      this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + count)
    }
  }

  get total(): number {
    return this.entries().reduce((sum, [, count]) => sum + count, 0)
  }

  /** Most frequent first. */
  entries(): [string, number][] {
    return [...this.#counts].sort((one, other) => other[1] - one[1])
  }
}
