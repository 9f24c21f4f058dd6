import { assert } from '../base/assert.ts'

export interface InflightLimits {
  readonly maxMessages: number
  readonly maxBytes: number
}

interface Inflight {
  /** The last entry in the message. */
  readonly index: number
  readonly bytes: number
}

/** Append messages sent to one peer and not yet answered: the window of the replication pipeline. */
export class Inflights {
  readonly #limits: InflightLimits
  #messages: Inflight[] = []
  #bytes = 0

  constructor(limits: InflightLimits) {
    this.#limits = limits
  }

  get count(): number {
    return this.#messages.length
  }

  /** The last message may overshoot the bytes: otherwise one large entry could never be sent. */
  get isFull(): boolean {
    return this.#messages.length >= this.#limits.maxMessages || this.#bytes >= this.#limits.maxBytes
  }

  add(index: number, bytes: number): void {
    assert(!this.isFull, 'nothing is sent to a peer whose window is full')
    this.#messages.push({ index, bytes })
    this.#bytes += bytes
  }

  /** An answer for `index` answers everything before it too. */
  freeUpTo(index: number): void {
    let answered = 0
    for (const message of this.#messages) {
      if (message.index > index) break
      answered++
      this.#bytes -= message.bytes
    }
    if (answered > 0) this.#messages = this.#messages.slice(answered)
  }

  reset(): void {
    this.#messages = []
    this.#bytes = 0
  }
}
