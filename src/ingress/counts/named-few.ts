import { othersId } from '../../wire/ingress-counts.ts'
import { addCounts, closedCounts, growthOf, type Counted } from './sum-counts.ts'

/**
 * Tells at most so many counts by their names, who came first first; a place is free again once its
 * owner is gone. What the others count meanwhile is added up as one that, like each, only grows.
 */
export class NamedFew<Count extends Counted> {
  readonly #limit: number
  readonly #named = new Set<string>()
  /** As they were at the last look. */
  #others = new Map<string, Count>()
  #rest: Count | null = null

  constructor(limit: number) {
    this.#limit = limit
  }

  tell(counts: readonly Count[]): Count[] {
    const present = new Set(counts.map(({ id }) => id))
    for (const id of this.#named) if (!present.has(id)) this.#named.delete(id)
    const others = new Map<string, Count>()
    let rest = this.#rest === null ? null : closedCounts(this.#rest)
    for (const count of counts) {
      if (this.#isNamed(count.id)) continue
      others.set(count.id, count)
      const growth = { ...growthOf(count, this.#others.get(count.id)), id: othersId }
      rest = rest === null ? growth : addCounts(rest, growth)
    }
    this.#others = others
    this.#rest = rest
    const named = counts.filter(({ id }) => this.#named.has(id))
    return rest === null ? named : [...named, rest]
  }

  #isNamed(id: string): boolean {
    if (this.#named.size < this.#limit) this.#named.add(id)
    return this.#named.has(id)
  }
}
