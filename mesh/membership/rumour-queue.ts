import type { NodeId } from '../base/ids.ts'
import type { Rumour } from './message.ts'

interface Waiting {
  readonly rumour: Rumour
  readonly bytes: number
  sent: number
}

/**
 * What is still to be told. A rumour rides on every message until it has been sent often enough; the
 * least told one goes first, so fresh news never waits behind old.
 */
export class RumourQueue {
  readonly #capacity: number
  readonly #bytesOf: (rumour: Rumour) => number
  #waiting: Waiting[] = []

  constructor(capacity: number, bytesOf: (rumour: Rumour) => number) {
    this.#capacity = capacity
    this.#bytesOf = bytesOf
  }

  get length(): number {
    return this.#waiting.length
  }

  /** Whether something was never told: news that should not wait for its turn. */
  get hasNews(): boolean {
    return this.#waiting[0]?.sent === 0
  }

  /** Replaces what it makes obsolete; accusations of one suspect by several accusers all count. */
  add(rumour: Rumour): void {
    this.#waiting = this.#waiting.filter(({ rumour: old }) => !isObsolete(old, rumour))
    this.#waiting.unshift({ rumour, bytes: this.#bytesOf(rumour), sent: 0 })
    // The tail has been told most often.
    if (this.#waiting.length > this.#capacity) this.#waiting.pop()
  }

  dropAbout(node: NodeId): void {
    this.#waiting = this.#waiting.filter(({ rumour }) => rumour.node !== node)
  }

  /**
   * As many as fit into `budgetBytes`, `first` before the others; `first` is not counted as told,
   * since it is said to one member only.
   */
  take(budgetBytes: number, first: readonly Rumour[], limit: number): Rumour[] {
    const taken: Rumour[] = []
    let leftBytes = budgetBytes
    for (const rumour of first) {
      const bytes = this.#bytesOf(rumour)
      if (bytes > leftBytes) continue
      taken.push(rumour)
      leftBytes -= bytes
    }
    for (const waiting of this.#waiting) {
      if (waiting.bytes > leftBytes || isTold(waiting.rumour, first)) continue
      taken.push(waiting.rumour)
      leftBytes -= waiting.bytes
      waiting.sent++
    }
    this.#settle(limit)
    return taken
  }

  #settle(limit: number): void {
    this.#waiting = this.#waiting.filter(({ sent }) => sent < limit)
    this.#waiting.sort((left, right) => left.sent - right.sent)
  }
}

function isObsolete(old: Rumour, fresh: Rumour): boolean {
  if (old.node !== fresh.node) return false
  if (old.kind !== 'suspect' || fresh.kind !== 'suspect') return true
  return old.by === fresh.by || old.incarnation < fresh.incarnation
}

const isTold = (rumour: Rumour, first: readonly Rumour[]): boolean =>
  first.some((told) => told.node === rumour.node && told.kind === rumour.kind)
