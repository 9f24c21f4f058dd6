import { PersistentMap } from './persistent-map.ts'
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

/** The log is cut into stretches of equal length. */
const stretchOf = (index: number): number => Math.floor(index / requestsRemembered)

/**
 * What became of the latest requests. It is part of the agreed state: a retried transaction must
 * meet its first result on every manager and after every restart. So it is the index alone that
 * says what is forgotten: what came before the stretch that came before this one.
 */
export class RequestHistory {
  static readonly empty: RequestHistory = new RequestHistory(
    0,
    PersistentMap.empty(),
    PersistentMap.empty(),
  )

  readonly #stretch: number
  readonly #recent: PersistentMap<ApplyResult>
  /** Of the stretch before. */
  readonly #former: PersistentMap<ApplyResult>

  private constructor(
    stretch: number,
    recent: PersistentMap<ApplyResult>,
    former: PersistentMap<ApplyResult>,
  ) {
    this.#stretch = stretch
    this.#recent = recent
    this.#former = former
  }

  resultOf(request: string): ApplyResult | undefined {
    return this.#recent.get(request) ?? this.#former.get(request)
  }

  /** To be called in the order of the log. */
  remember(request: string, result: ApplyResult): RequestHistory {
    const stretch = stretchOf(result.index)
    const begun = stretch - this.#stretch
    const recent = begun === 0 ? this.#recent : PersistentMap.empty<ApplyResult>()
    const former = [this.#former, this.#recent][begun] ?? PersistentMap.empty<ApplyResult>()
    return new RequestHistory(stretch, recent.with(request, result), former)
  }

  /** Oldest first. */
  entries(): readonly RememberedRequest[] {
    const remembered = [...this.#former.entries(), ...this.#recent.entries()]
    return remembered
      .map(([request, result]) => ({ request, result }))
      .sort((one, other) => one.result.index - other.result.index)
  }
}
