import type { LogLine, LogQuery } from '../model/log-line.ts'

/** Two streams may be written down in another order than their times say, by a few lines. */
const maxDisorder = 32

/** The last lines that a reader got: where to read on, and what it has already. */
export class RecentLines {
  #lines: { readonly at: string; readonly stream: LogLine['stream'] }[] = []
  #count = 0

  add({ at, stream }: LogLine): void {
    this.#count++
    this.#lines.push({ at, stream })
    if (this.#lines.length > 2 * maxDisorder) this.#lines.shift()
  }

  /** What `query` has not brought, and a little that it has. */
  rest(query: LogQuery, openedAt: string): LogQuery {
    const { tail } = query
    const isFresh = this.#count === 0
    const since = isFresh && tail === 0 ? openedAt : this.#since()
    return {
      ...query,
      follow: false,
      tail: isFresh && tail !== 0 ? tail : null,
      since: later(since, query.since),
    }
  }

  /** True, once, when it was among them. */
  take({ at, stream }: LogLine): boolean {
    const place = this.#lines.findIndex((line) => line.at === at && line.stream === stream)
    if (place >= 0) this.#lines.splice(place, 1)
    return place >= 0
  }

  /** Where lines were forgotten, all that is known to be older than them must be left out. */
  #since(): string | null {
    const times = this.#lines.map(({ at }) => at).toSorted()
    const isWhole = this.#count === times.length
    return times[isWhole ? 0 : maxDisorder] ?? null
  }
}

const later = (one: string | null, other: string | null): string | null =>
  one === null || (other !== null && other > one) ? other : one
