/**
 * Lifeguard's local health multiplier: who hears nobody should first doubt himself. A node in doubt
 * probes more slowly and waits longer, so that it accuses fewer of the innocent.
 */
export class LocalHealth {
  readonly #worst: number
  readonly #stallStepMs: number
  #probeScore = 0
  #stallScore = 0

  /** `stallStepMs`: an event loop that is late by so much costs one point. */
  constructor(levels: number, stallStepMs: number) {
    this.#worst = levels - 1
    this.#stallStepMs = stallStepMs
  }

  /** 0 is well. */
  get score(): number {
    return Math.min(this.#worst, this.#probeScore + this.#stallScore)
  }

  stretch(durationMs: number): number {
    return durationMs * (this.score + 1)
  }

  worsen(points: number): void {
    this.#probeScore = Math.min(this.#worst, this.#probeScore + points)
  }

  improve(): void {
    this.#probeScore = Math.max(0, this.#probeScore - 1)
  }

  stalled(delayMs: number): void {
    this.#stallScore = Math.min(this.#worst, Math.floor(delayMs / this.#stallStepMs))
  }
}
