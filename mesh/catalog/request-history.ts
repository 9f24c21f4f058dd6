import type { ApplyResult } from './types.ts'

/**
 * For how many entries of the log a request is remembered at least, and for not even twice as many:
 * far more than can be in flight, so a retry always meets its first.
 */
export const requestsRemembered = 10_000

export interface RememberedRequest {
  readonly request: string
  readonly result: ApplyResult
}

/** By request, in the order of the log. */
type Results = Map<string, ApplyResult>

/** The log is cut into stretches of equal length. */
const stretchOf = (index: number): number => Math.floor(index / requestsRemembered)

/**
 * What became of the latest requests. It is part of the agreed state: a retried transaction must
 * meet its first result on every manager and after every restart. So it is the index alone that
 * says what is forgotten: what came before the stretch that came before this one.
 *
 * A history never changes. Those that follow one another share their maps, which only grow: each
 * sees no further than its own last index.
 */
export class RequestHistory {
  static readonly empty: RequestHistory = new RequestHistory(0, new Map(), new Map())

  readonly #lastIndex: number
  readonly #recent: Results
  /** Of the stretch before. */
  readonly #former: Results
  /** How many of the recent ones belong to this history. */
  readonly #count: number

  private constructor(lastIndex: number, recent: Results, former: Results) {
    this.#lastIndex = lastIndex
    this.#recent = recent
    this.#former = former
    this.#count = recent.size
  }

  resultOf(request: string): ApplyResult | undefined {
    const recent = this.#recent.get(request)
    if (recent !== undefined && recent.index <= this.#lastIndex) return recent
    return this.#former.get(request)
  }

  /** To be called in the order of the log. */
  remember(request: string, result: ApplyResult): RequestHistory {
    const { index } = result
    const begun = stretchOf(index) - stretchOf(this.#lastIndex)
    if (begun > 0) {
      const former: Results = new Map(begun === 1 ? this.#ownRecent() : [])
      return new RequestHistory(index, new Map([[request, result]]), former)
    }
    const recent = this.#ownRecent()
    recent.set(request, result)
    return new RequestHistory(index, recent, this.#former)
  }

  /** Oldest first; those who come later do not disturb. */
  *entries(): Generator<RememberedRequest> {
    for (const [request, result] of this.#former) yield { request, result }
    for (const [request, result] of this.#recent) {
      if (result.index > this.#lastIndex) return
      yield { request, result }
    }
  }

  /** A copy when another history has gone on from here. */
  #ownRecent(): Results {
    if (this.#recent.size === this.#count) return this.#recent
    return new Map([...this.#recent].slice(0, this.#count))
  }
}
