const perRequest = 0.2
const perSecond = 10
const most = 100

/**
 * How many requests may be sent a second time: a fifth of all, and a few more where there are not
 * many. Without it, retries finish off what is merely slow.
 */
export class RetryBudget {
  #tokens = most
  #atMs = 0

  requested(): void {
    this.#tokens = Math.min(most, this.#tokens + perRequest)
  }

  /** False when it is used up. */
  take(nowMs: number): boolean {
    const gained = (Math.max(0, nowMs - this.#atMs) / 1000) * perSecond
    this.#tokens = Math.min(most, this.#tokens + gained)
    this.#atMs = nowMs
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }
}
