import { PersistentMap } from './persistent-map.ts'
import type { ApplyResult } from './types.ts'

/** How many requests are remembered: far more than can be in flight, so a retry always meets its first. */
export const requestsRemembered = 10_000

export interface RememberedRequest {
  readonly request: string
  readonly result: ApplyResult
}

/**
 * What became of the latest requests, oldest forgotten first. It is part of the agreed state: a
 * retried transaction must meet its first result on every manager and after every restart.
 */
export class RequestHistory {
  static readonly empty: RequestHistory = new RequestHistory(
    PersistentMap.empty(),
    PersistentMap.empty(),
    0,
  )

  readonly #results: PersistentMap<ApplyResult>
  /** Requests by the number at which they came. */
  readonly #order: PersistentMap<string>
  readonly #next: number

  private constructor(
    results: PersistentMap<ApplyResult>,
    order: PersistentMap<string>,
    next: number,
  ) {
    this.#results = results
    this.#order = order
    this.#next = next
  }

  resultOf(request: string): ApplyResult | undefined {
    return this.#results.get(request)
  }

  remember(request: string, result: ApplyResult): RequestHistory {
    let results = this.#results.with(request, result)
    let order = this.#order.with(String(this.#next), request)
    const oldest = String(this.#next - requestsRemembered)
    const forgotten = order.get(oldest)
    if (forgotten !== undefined) {
      results = results.without(forgotten)
      order = order.without(oldest)
    }
    return new RequestHistory(results, order, this.#next + 1)
  }

  /** Oldest first. */
  *entries(): Generator<RememberedRequest> {
    for (let at = this.#next - this.#order.size; at < this.#next; at++) {
      const request = this.#order.get(String(at))
      const result = request === undefined ? undefined : this.#results.get(request)
      if (request !== undefined && result !== undefined) yield { request, result }
    }
  }
}
