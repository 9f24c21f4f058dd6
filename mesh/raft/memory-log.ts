import { assert } from '../base/assert.ts'
import { sliceWithin } from './entry-size.ts'
import type { ConfState, Entry, HardState, LogStorage, Snapshot } from './types.ts'

const emptyConfState: ConfState = {
  voters: [],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
}

/** A log in memory: for tests, and in the product the mirror of what stands on the disk. */
export class MemoryLog implements LogStorage {
  #hardState: HardState = { term: 0, vote: 0, commit: 0 }
  #snapshot: Snapshot | null = null
  /** The entry before the first one that is kept: known by index and term alone. */
  #base = { index: 0, term: 0 }
  #entries: Entry[] = []

  initialState(): { hardState: HardState; confState: ConfState } {
    return {
      hardState: this.#hardState,
      confState: this.#snapshot?.meta.confState ?? emptyConfState,
    }
  }

  entries(
    low: number,
    high: number,
    maxBytes: number,
  ): readonly Entry[] | 'compacted' | 'unavailable' {
    if (low < this.firstIndex()) return 'compacted'
    if (high > this.lastIndex() + 1 || this.#entries.length === 0) return 'unavailable'
    const first = this.firstIndex()
    return sliceWithin(this.#entries, { from: low - first, to: high - first }, maxBytes)
  }

  term(index: number): number | 'compacted' | 'unavailable' {
    if (index < this.#base.index) return 'compacted'
    if (index === this.#base.index) return this.#base.term
    return this.#entries[index - this.firstIndex()]?.term ?? 'unavailable'
  }

  firstIndex(): number {
    return this.#base.index + 1
  }

  lastIndex(): number {
    return this.#base.index + this.#entries.length
  }

  snapshot(): Snapshot | null {
    return this.#snapshot
  }

  setHardState(hardState: HardState): void {
    this.#hardState = hardState
  }

  /** New entries replace what stands at their index and everything after it. */
  append(entries: readonly Entry[]): void {
    const first = this.firstIndex()
    const fresh = entries.filter((entry) => entry.index >= first)
    const start = fresh[0]
    if (start === undefined) return
    assert(start.index <= this.lastIndex() + 1, `a gap before the appended entry ${start.index}`)
    this.#entries.length = start.index - first
    for (const entry of fresh) this.#entries.push(entry)
  }

  /** Takes over a snapshot from the leader; the whole log gives way to it. */
  applySnapshot(snapshot: Snapshot): 'ok' | 'out-of-date' {
    if (this.#snapshot !== null && this.#snapshot.meta.index >= snapshot.meta.index) {
      return 'out-of-date'
    }
    this.#snapshot = snapshot
    this.#base = { index: snapshot.meta.index, term: snapshot.meta.term }
    this.#entries = []
    return 'ok'
  }

  /** Records the state machine as it was after `index`; the log stays until `compact`. */
  createSnapshot(index: number, confState: ConfState, data: Uint8Array): Snapshot | 'out-of-date' {
    if (index <= (this.#snapshot?.meta.index ?? 0)) return 'out-of-date'
    const term = this.term(index)
    assert(typeof term === 'number', `a snapshot at ${index}, outside of the log`)
    this.#snapshot = { meta: { index, term, confState }, data }
    return this.#snapshot
  }

  /** Forgets the entries up to and with `index`, which a snapshot must cover. */
  compact(index: number): 'ok' | 'compacted' {
    if (index <= this.#base.index) return 'compacted'
    const term = this.term(index)
    assert(typeof term === 'number', `compaction up to ${index}, outside of the log`)
    this.#entries = this.#entries.slice(index - this.#base.index)
    this.#base = { index, term }
    return 'ok'
  }
}
