import { assert } from '../base/assert.ts'
import { entriesSize, limitSize } from './entry-size.ts'
import { Unstable } from './unstable.ts'
import type { Entry, LogStorage, Snapshot } from './types.ts'

export interface EntryId {
  readonly term: number
  readonly index: number
}

/** The whole log: what the storage holds, and behind it what is still to be written. */
export class RaftLog {
  readonly #storage: LogStorage
  readonly #maxApplyingBytes: number
  readonly unstable: Unstable
  /** A quorum holds everything up to here. Always `applied <= applying <= committed`. */
  #committed: number
  /** Handed out to be applied. */
  #applying: number
  #applied: number
  #applyingBytes = 0
  #isApplyingPaused = false

  constructor(storage: LogStorage, maxApplyingBytes: number) {
    this.#storage = storage
    this.#maxApplyingBytes = maxApplyingBytes
    this.unstable = new Unstable(storage.lastIndex() + 1)
    const before = storage.firstIndex() - 1
    this.#committed = before
    this.#applying = before
    this.#applied = before
  }

  get committed(): number {
    return this.#committed
  }

  get applied(): number {
    return this.#applied
  }

  get firstIndex(): number {
    return this.unstable.firstIndex() ?? this.#storage.firstIndex()
  }

  get lastIndex(): number {
    return this.unstable.lastIndex() ?? this.#storage.lastIndex()
  }

  get last(): EntryId {
    const index = this.lastIndex
    const term = this.term(index)
    assert(typeof term === 'number', `the term of the last entry ${index} is ${term}`)
    return { term, index }
  }

  /** The newest snapshot at hand; null when the storage has none just now. */
  get snapshot(): Snapshot | null {
    return this.unstable.snapshot ?? this.#storage.snapshot()
  }

  term(index: number): number | 'compacted' | 'unavailable' {
    const term = this.unstable.term(index)
    if (term !== undefined) return term
    if (index + 1 < this.firstIndex) return 'compacted'
    if (index > this.lastIndex) return 'unavailable'
    return this.#storage.term(index)
  }

  /** From `low` to the end, within `maxBytes`, but never none unless the log ends before it. */
  entriesFrom(low: number, maxBytes: number): readonly Entry[] | 'compacted' {
    const { lastIndex } = this
    return low > lastIndex ? [] : this.slice(low, lastIndex + 1, maxBytes)
  }

  /** Entries in [low, high), within `maxBytes`, but never none. */
  slice(low: number, high: number, maxBytes: number): readonly Entry[] | 'compacted' {
    assert(low <= high && high <= this.lastIndex + 1, `entries [${low}, ${high}) out of bounds`)
    if (low < this.firstIndex) return 'compacted'
    if (low === high) return []
    const { offset } = this.unstable
    if (low >= offset) return limitSize(this.unstable.slice(low, high), maxBytes)

    const cut = Math.min(high, offset)
    const stable = this.#storage.entries(low, cut, maxBytes)
    assert(stable !== 'unavailable', `entries [${low}, ${cut}) are missing in the storage`)
    if (stable === 'compacted' || high <= offset || stable.length < cut - low) return stable
    const size = entriesSize(stable)
    if (size >= maxBytes) return stable
    const rest = limitSize(this.unstable.slice(offset, high), maxBytes - size)
    const isOverLimit = rest.length === 1 && size + entriesSize(rest) > maxBytes
    return isOverLimit ? stable : [...stable, ...rest]
  }

  matches(id: EntryId): boolean {
    return this.term(id.index) === id.term
  }

  /** Whether a candidate whose log ends there may lead: it holds everything that we hold. */
  isUpToDate(their: EntryId): boolean {
    const { last } = this
    return their.term > last.term || (their.term === last.term && their.index >= last.index)
  }

  append(entries: readonly Entry[]): void {
    const first = entries[0]
    if (first === undefined) return
    assert(first.index > this.#committed, `entry ${first.index} would replace a committed one`)
    this.unstable.truncateAndAppend(entries)
  }

  /** A follower's append: null when our log does not continue the leader's at `previous`. */
  maybeAppend(previous: EntryId, entries: readonly Entry[], commit: number): number | null {
    if (!this.matches(previous)) return null
    const last = previous.index + entries.length
    const fresh = entries.findIndex((entry) => !this.matches(entry))
    if (fresh >= 0) this.append(entries.slice(fresh))
    this.commitTo(Math.min(commit, last))
    return last
  }

  /**
   * The last index up to `index` at which our term is not above `term`: all later ones must differ
   * from a log that has `term` at `index`, so whoever probes may skip them. Term 0 means unknown.
   */
  findConflictByTerm(index: number, term: number): EntryId {
    for (let at = index; at > 0; at--) {
      const ours = this.term(at)
      if (typeof ours !== 'number') return { index: at, term: 0 }
      if (ours <= term) return { index: at, term: ours }
    }
    return { index: 0, term: 0 }
  }

  commitTo(index: number): void {
    if (index <= this.#committed) return
    assert(index <= this.lastIndex, `commit ${index} is beyond the log: was it cut or lost?`)
    this.#committed = index
  }

  /** Only an entry of the leader's own term commits by being counted (Raft §5.4.2, figure 8). */
  maybeCommit(at: EntryId): boolean {
    if (at.term === 0 || at.index <= this.#committed || !this.matches(at)) return false
    this.commitTo(at.index)
    return true
  }

  restore(snapshot: Snapshot): void {
    this.#committed = snapshot.meta.index
    this.unstable.restore(snapshot)
  }

  get hasNextCommitted(): boolean {
    return (
      !this.#isApplyingPaused && this.unstable.snapshot === null && this.#applying < this.#committed
    )
  }

  /** What may be applied next. The caller persists a Ready's entries before it applies any. */
  nextCommitted(): readonly Entry[] {
    if (!this.hasNextCommitted) return []
    const budget = this.#maxApplyingBytes - this.#applyingBytes
    const entries = this.slice(this.#applying + 1, this.#committed + 1, budget)
    assert(entries !== 'compacted', 'entries were compacted before they were applied')
    return entries
  }

  acceptApplying(entries: readonly Entry[]): void {
    const last = entries.at(-1)
    if (last === undefined) return
    this.#applying = last.index
    this.#applyingBytes += entriesSize(entries)
    // What did not fit now would not fit either before something has been applied.
    this.#isApplyingPaused =
      this.#applyingBytes >= this.#maxApplyingBytes || last.index < this.#committed
  }

  appliedTo(index: number, bytes: number): void {
    assert(
      index >= this.#applied && index <= this.#committed,
      `applied ${index} is outside of [${this.#applied}, ${this.#committed}]`,
    )
    this.#applied = index
    this.#applying = Math.max(this.#applying, index)
    this.#applyingBytes = Math.max(0, this.#applyingBytes - bytes)
    this.#isApplyingPaused = this.#applyingBytes >= this.#maxApplyingBytes
  }
}
