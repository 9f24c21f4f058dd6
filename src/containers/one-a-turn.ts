/**
 * Lets one pass in each turn of the event loop, in order of coming. For what blocks: a hundred of it
 * in one turn would keep everything else of the daemon from being done in between.
 */
export class OneATurn {
  #last: Promise<void> = Promise.resolve()

  pass(): Promise<void> {
    this.#last = this.#last.then(() => new Promise((resolve) => void setImmediate(resolve)))
    return this.#last
  }
}
