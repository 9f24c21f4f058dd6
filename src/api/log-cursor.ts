/** How far somebody has read the log of one task: so many messages with the time `at`. */
export interface LogPlace {
  readonly at: string
  readonly count: number
}

/** Reads a log again from where it stopped, without repeating anything. */
export class LogCursor {
  #place: LogPlace | null
  /** Messages of that very time which come again. */
  #repeated: number

  constructor(place: LogPlace | null) {
    this.#place = place
    this.#repeated = place?.count ?? 0
  }

  /** Null before the first message. */
  get place(): LogPlace | null {
    return this.#place
  }

  /** The log will be read again, from the time of its place on. */
  rewind(): void {
    this.#repeated = this.#place?.count ?? 0
  }

  /** False when the message was there before. */
  takes(at: string): boolean {
    const place = this.#place
    if (place === null || at > place.at) {
      this.#place = { at, count: 1 }
      this.#repeated = 0
      return true
    }
    // Two streams of a container may be a moment out of order.
    if (at < place.at) return true
    if (this.#repeated > 0) {
      this.#repeated--
      return false
    }
    this.#place = { at, count: place.count + 1 }
    return true
  }
}
