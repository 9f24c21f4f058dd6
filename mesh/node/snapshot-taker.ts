import type { Snapshot, SnapshotMeta } from '../raft/types.ts'
import { isDiskFull } from '../storage/disk-full.ts'
import type { RaftStorage } from '../storage/raft-storage.ts'

const everyEntriesDefault = 10_000
const logBytesDefault = 64 * 1024 * 1024
/** Of the log: segments end when they are that long. */
const segmentShare = 1 / 8
/** The next try, when there was no room for the last one. */
const retryEntries = 1000
/** For followers that lag a little: cheaper to send than a snapshot. */
const entriesKeptMax = 1000

export const segmentBytesOf = (logBytesMax = logBytesDefault): number =>
  Math.floor(logBytesMax * segmentShare)

export interface SnapshotTakerDeps {
  readonly storage: RaftStorage
  readonly everyEntries?: number | undefined
  /** What the log may take on the disk. */
  readonly logBytesMax?: number | undefined
  /** A file is written: `adopt` has something to do. */
  readonly onWritten: () => void
  readonly onFailed: (error: unknown) => void
}

/**
 * Keeps the log short. The file is written beside the loop of Raft, which must not wait for it, and
 * made to count between two of its turns.
 */
export class SnapshotTaker {
  readonly #deps: SnapshotTakerDeps
  readonly #everyEntries: number
  /** As much for what is new, for what followers may still need, and for segments half in use. */
  readonly #shareBytes: number
  #isWriting = false
  #notBefore = 0
  #written: Snapshot | null = null

  constructor(deps: SnapshotTakerDeps) {
    this.#deps = deps
    this.#everyEntries = deps.everyEntries ?? everyEntriesDefault
    this.#shareBytes = (deps.logBytesMax ?? logBytesDefault) / 4
  }

  /** `data` is asked for at once, and only when a snapshot is due. */
  takeWhenDue(meta: SnapshotMeta, data: () => Uint8Array): void {
    const { storage, onFailed } = this.#deps
    const entries = meta.index - (storage.snapshot()?.meta.index ?? 0)
    const isDue = entries >= this.#everyEntries || storage.bytesSinceSnapshot >= this.#shareBytes
    if (!isDue || entries <= 0 || this.#isWriting || meta.index < this.#notBefore) return
    this.#isWriting = true
    const snapshot = { meta, data: data() }
    storage.saveSnapshotFile(snapshot).then(
      () => this.#wrote(snapshot),
      (error: unknown) => {
        if (!isDiskFull(error)) return onFailed(error)
        this.#notBefore = meta.index + retryEntries
        this.#isWriting = false
      },
    )
  }

  /** Null when there was nothing to adopt. */
  async adopt(): Promise<SnapshotMeta | null> {
    const snapshot = this.#written
    if (snapshot === null) return null
    const entriesKept = Math.min(entriesKeptMax, this.#everyEntries)
    await this.#deps.storage.adoptSnapshot(snapshot, entriesKept, this.#shareBytes)
    this.#written = null
    this.#isWriting = false
    return snapshot.meta
  }

  #wrote(snapshot: Snapshot): void {
    this.#written = snapshot
    this.#deps.onWritten()
  }
}
