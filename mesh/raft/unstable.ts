import { assert } from '../base/assert.ts'
import type { Entry, Snapshot } from './types.ts'

/**
 * The end of the log that is not yet known to be on disk: entries from `offset` on, or a snapshot
 * just received. `Ready` hands them out ("in progress"), and they stay here until they are stable,
 * for a newer leader may still replace them.
 */
export class Unstable {
  #snapshot: Snapshot | null = null
  #isSnapshotInProgress = false
  #entries: readonly Entry[] = []
  /** The index of the first entry here. */
  #offset: number
  /** Entries before it have been handed out. */
  #offsetInProgress: number

  constructor(offset: number) {
    this.#offset = offset
    this.#offsetInProgress = offset
  }

  get offset(): number {
    return this.#offset
  }

  get snapshot(): Snapshot | null {
    return this.#snapshot
  }

  get hasEntries(): boolean {
    return this.#entries.length > 0
  }

  get nextEntries(): readonly Entry[] {
    return this.#entries.slice(this.#offsetInProgress - this.#offset)
  }

  get hasNextEntries(): boolean {
    return this.#entries.length > this.#offsetInProgress - this.#offset
  }

  get nextSnapshot(): Snapshot | null {
    return this.#isSnapshotInProgress ? null : this.#snapshot
  }

  /** Undefined when only the stable log knows. */
  firstIndex(): number | undefined {
    return this.#snapshot === null ? undefined : this.#snapshot.meta.index + 1
  }

  /** Undefined when only the stable log knows. */
  lastIndex(): number | undefined {
    if (this.#entries.length > 0) return this.#offset + this.#entries.length - 1
    return this.#snapshot?.meta.index
  }

  /** Undefined when the entry is not here. */
  term(index: number): number | undefined {
    if (index >= this.#offset) return this.#entries[index - this.#offset]?.term
    return this.#snapshot?.meta.index === index ? this.#snapshot.meta.term : undefined
  }

  slice(low: number, high: number): readonly Entry[] {
    const end = this.#offset + this.#entries.length
    assert(low <= high && low >= this.#offset && high <= end, 'unstable entries out of bounds')
    return this.#entries.slice(low - this.#offset, high - this.#offset)
  }

  /** Everything here is being written now. */
  acceptInProgress(): void {
    this.#offsetInProgress = this.#offset + this.#entries.length
    if (this.#snapshot !== null) this.#isSnapshotInProgress = true
  }

  /** The write up to `index` is done; it counts only if nothing replaced those entries meanwhile. */
  stableTo(index: number, term: number): void {
    if (index < this.#offset || this.term(index) !== term) return
    this.#entries = this.#entries.slice(index + 1 - this.#offset)
    this.#offset = index + 1
    this.#offsetInProgress = Math.max(this.#offsetInProgress, this.#offset)
  }

  stableSnapshotTo(index: number): void {
    if (this.#snapshot?.meta.index !== index) return
    this.#snapshot = null
    this.#isSnapshotInProgress = false
  }

  restore(snapshot: Snapshot): void {
    this.#offset = snapshot.meta.index + 1
    this.#offsetInProgress = this.#offset
    this.#entries = []
    this.#snapshot = snapshot
    this.#isSnapshotInProgress = false
  }

  truncateAndAppend(entries: readonly Entry[]): void {
    const from = entries[0]?.index
    if (from === undefined) return
    if (from <= this.#offset) {
      // The stable log is cut as well: the caller replaces what it holds from here on.
      this.#entries = entries
      this.#offset = from
      this.#offsetInProgress = from
      return
    }
    this.#entries = [...this.slice(this.#offset, from), ...entries]
    // What is being written from here on has been replaced and must be written again.
    this.#offsetInProgress = Math.min(this.#offsetInProgress, from)
  }
}
