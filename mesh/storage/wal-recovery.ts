import { unreachable } from '../base/assert.ts'
import { MeshError } from '../base/mesh-error.ts'
import type { Entry, HardState } from '../raft/types.ts'
import type { WalRecord } from './wal-record.ts'

export interface SnapshotMarker {
  readonly index: number
  readonly term: number
}

/** What the log on disk amounts to, once everything void is gone. */
export interface RecoveredLog {
  readonly hardState: HardState | null
  /** Without gaps; empty, or beginning wherever the oldest segment begins. */
  readonly entries: readonly Entry[]
  /** Of all durable snapshots, oldest first. */
  readonly markers: readonly SnapshotMarker[]
}

/** Replays records in the order in which they were written. */
export class LogFold {
  #hardState: HardState | null = null
  #entries: Entry[] = []
  readonly #markers: SnapshotMarker[] = []

  /** False when the record cannot stand here: something before it is missing. */
  add(record: WalRecord): boolean {
    switch (record.kind) {
      case 'entry':
        return this.#addEntry(record.entry)
      case 'hard-state':
        this.#hardState = record.hardState
        return true
      case 'snapshot-marker':
        this.#addMarker({ index: record.index, term: record.term })
        return true
      default:
        return unreachable(record)
    }
  }

  result(): RecoveredLog {
    return { hardState: this.#hardState, entries: this.#entries, markers: this.#markers }
  }

  #addEntry(entry: Entry): boolean {
    const first = this.#entries[0]
    if (first !== undefined && entry.index > first.index + this.#entries.length) return false
    if (first !== undefined) this.#entries.length = Math.max(0, entry.index - first.index)
    this.#entries.push(entry)
    return true
  }

  /**
   * A snapshot that our entries neither lead up to nor follow came from a leader and replaced them
   * all. One from before our oldest entry is our own: its entry went with an older segment.
   */
  #addMarker(marker: SnapshotMarker): void {
    const first = this.#entries[0]?.index ?? 0
    const isOurs = marker.index < first || this.#entries[marker.index - first]?.term === marker.term
    const isRepeated = this.#markers.at(-1)?.index === marker.index
    if (!isOurs && !isRepeated) this.#entries = []
    if (!isRepeated) this.#markers.push(marker)
  }
}

export function corrupt(path: string, offset: number, what: string): MeshError {
  const remedy =
    'the disk lost or changed data: remove this node from the cluster, empty its data directory and join again'
  return new MeshError({ code: 'storage/corrupt', path, offset, what, remedy })
}
