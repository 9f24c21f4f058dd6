export interface TurnWork {
  /** Hears what is done, and tells the handlers. How much that was. */
  collect(): number
  /** Does what they asked for. Whether more waits already. */
  handOver(): boolean
}

/** Rounds of one turn, before the rest of Node has its own. */
const roundsLimit = 8

/** When a ring runs: woken by the kernel, or once whoever asked for something has returned. */
export class Turns {
  readonly #work: TurnWork
  #later: (() => void)[] = []
  #atEnd: (() => void)[] = []
  #isDue = false
  isStopped = false

  constructor(work: TurnWork) {
    this.#work = work
  }

  want(): void {
    if (this.#isDue || this.isStopped) return
    this.#isDue = true
    setImmediate(() => this.run())
  }

  /** At the beginning of the next round. */
  soon(action: () => void): void {
    this.#later.push(action)
    this.want()
  }

  /** Once the events of a round have been delivered. */
  atEnd(action: () => void): void {
    this.#atEnd.push(action)
    this.want()
  }

  run(): void {
    this.#isDue = false
    for (let round = 0; round < roundsLimit && !this.isStopped; round++) {
      if (!this.#round()) return
    }
    // What came meanwhile rings no bell any more.
    this.want()
  }

  stop(): void {
    this.isStopped = true
  }

  /** Whether there is more to do. */
  #round(): boolean {
    const later = this.#later
    this.#later = []
    for (const action of later) action()
    const done = this.isStopped ? 0 : this.#work.collect()
    const ending = this.#atEnd
    this.#atEnd = []
    for (const action of ending) action()
    if (this.isStopped) return false
    const hasMore = this.#work.handOver()
    return hasMore || done + this.#later.length + this.#atEnd.length > 0
  }
}
