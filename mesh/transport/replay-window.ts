const windowSize = 1024n
const windowMask = (1n << windowSize) - 1n

interface Window {
  highest: bigint
  /** Bit n: the packet with counter `highest - n` was accepted. */
  seen: bigint
}

/**
 * Which packets of which sender were accepted already. A packet may be late by up to 1,024 others;
 * an older one counts as seen. Of senders, those heard last are remembered.
 */
export class ReplayWindows {
  readonly #capacity: number
  readonly #windows = new Map<string, Window>()

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  isFresh(sender: string, counter: bigint): boolean {
    const window = this.#windows.get(sender)
    if (window === undefined || counter > window.highest) return true
    const age = window.highest - counter
    return age < windowSize && ((window.seen >> age) & 1n) === 0n
  }

  /** Call for packets that `isFresh` let pass and that proved authentic. */
  accept(sender: string, counter: bigint): void {
    const window = this.#windows.get(sender) ?? { highest: counter, seen: 0n }
    if (counter > window.highest) {
      const step = counter - window.highest
      window.seen = step < windowSize ? (window.seen << step) & windowMask : 0n
      window.highest = counter
    }
    window.seen |= 1n << (window.highest - counter)
    this.#windows.delete(sender)
    this.#windows.set(sender, window)
    if (this.#windows.size <= this.#capacity) return
    const [oldest] = this.#windows.keys()
    if (oldest !== undefined) this.#windows.delete(oldest)
  }
}
