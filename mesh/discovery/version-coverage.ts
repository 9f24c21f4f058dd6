interface Stretch {
  readonly since: number
  readonly through: number
}

/** Which versions of a writer are accounted for: all up to `through`, and stretches further on. */
export class VersionCoverage {
  readonly #maxStretches: number
  #through = 0
  #ahead: Stretch[] = []

  constructor(maxStretches: number) {
    this.#maxStretches = maxStretches
  }

  get through(): number {
    return this.#through
  }

  /** Something in between was lost. */
  get hasGap(): boolean {
    return this.#ahead.length > 0
  }

  /** Everything in (since, through] is accounted for. */
  cover(since: number, through: number): void {
    this.#ahead.push({ since, through })
    this.#ahead.sort((left, right) => left.since - right.since)
    this.#ahead = this.#ahead.filter((stretch) => {
      if (stretch.since > this.#through) return true
      this.#through = Math.max(this.#through, stretch.through)
      return false
    })
    // What does not fit is only asked for again.
    this.#ahead.splice(this.#maxStretches)
  }

  restart(): void {
    this.#through = 0
    this.#ahead = []
  }
}
