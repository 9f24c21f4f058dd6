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
    const stretches = [...this.#ahead, { since, through }]
    stretches.sort((left, right) => left.since - right.since)
    this.#ahead = []
    for (const stretch of stretches) this.#extend(stretch)
    // What does not fit is only asked for again.
    this.#ahead.splice(this.#maxStretches)
  }

  /** Stretches come in order: the next one begins after, or within, the last. */
  #extend({ since, through }: Stretch): void {
    const last = this.#ahead.at(-1)
    if (since <= this.#through) this.#through = Math.max(this.#through, through)
    else if (last === undefined || since > last.through) this.#ahead.push({ since, through })
    else this.#ahead.splice(-1, 1, { ...last, through: Math.max(last.through, through) })
  }

  restart(): void {
    this.#through = 0
    this.#ahead = []
  }
}
