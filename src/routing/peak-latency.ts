/** How long a sample counts: after this it weighs a third. */
const decayMs = 10_000

/**
 * How slow a task has been of late. A slow answer counts at once and in full, quick ones pull the
 * figure down slowly; without any it fades, so that a task which was slow is asked again.
 */
export class PeakLatency {
  #valueMs = 0
  #atMs = 0

  observe(latencyMs: number, nowMs: number): void {
    const fadedMs = this.at(nowMs)
    const weight = Math.exp(-Math.max(0, nowMs - this.#atMs) / decayMs)
    this.#valueMs = Math.max(latencyMs, fadedMs * weight + latencyMs * (1 - weight))
    this.#atMs = nowMs
  }

  at(nowMs: number): number {
    if (this.#valueMs === 0) return 0
    return this.#valueMs * Math.exp(-Math.max(0, nowMs - this.#atMs) / decayMs)
  }
}
