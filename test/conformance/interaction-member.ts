import { decodeConfChange } from '../../mesh/raft/conf-change.ts'
import { MemoryLog } from '../../mesh/raft/memory-log.ts'
import { RaftNode } from '../../mesh/raft/raft-node.ts'
import type { RaftOptions } from '../../mesh/raft/raft-options.ts'
import type { Entry, LogStorage, Ready, Snapshot } from '../../mesh/raft/types.ts'

/** A node of a transcript: a Raft node, its log, and a state machine that appends what it is told. */
export class InteractionMember {
  readonly options: RaftOptions
  readonly node: RaftNode
  readonly log = new MemoryLog()
  /** The state machine after every entry: a snapshot is always at hand, and the latest. */
  readonly #history: Snapshot[]

  constructor(options: RaftOptions, start: Snapshot) {
    this.options = options
    this.#history = [start]
    if (start.meta.index > 0) this.log.applySnapshot(start)
    // Transcripts that depend on the drawn timeout set it themselves.
    this.node = new RaftNode(options, { storage: this.#storage(), random: { below: () => 0 } })
  }

  get id(): number {
    return this.options.id
  }

  get latest(): Snapshot {
    const latest = this.#history.at(-1)
    if (latest === undefined) throw new Error('the history begins with the start')
    return latest
  }

  /** Does the work of a Ready in memory, without `advance`. */
  perform(ready: Ready): void {
    if (ready.hardState) this.log.setHardState(ready.hardState)
    if (ready.snapshot) this.log.applySnapshot(ready.snapshot)
    else this.log.append(ready.entries)
    for (const entry of ready.committed) this.#apply(entry)
  }

  #apply(entry: Entry): void {
    const change = decodeConfChange(entry)
    const confState =
      change === null ? this.latest.meta.confState : this.node.applyConfChange(change)
    const update = change === null ? entry.data : change.context
    this.#history.push({
      meta: { index: entry.index, term: entry.term, confState },
      data: Uint8Array.of(...this.latest.data, ...update),
    })
  }

  #storage(): LogStorage {
    const { log } = this
    return {
      initialState: () => log.initialState(),
      entries: (low, high, maxBytes) => log.entries(low, high, maxBytes),
      term: (index) => log.term(index),
      firstIndex: () => log.firstIndex(),
      lastIndex: () => log.lastIndex(),
      snapshot: () => (this.latest.meta.index === 0 ? null : this.latest),
    }
  }
}
