/** Collects the moments at which something becomes due; the earliest wins. */
export class Wake {
  #atMs: number | null = null

  get atMs(): number | null {
    return this.#atMs
  }

  noLaterThan(atMs: number): void {
    this.#atMs = this.#atMs === null ? atMs : Math.min(this.#atMs, atMs)
  }
}
