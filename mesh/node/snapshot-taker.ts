import type { RaftId, Snapshot, SnapshotMeta } from '../raft/types.ts'
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
  readonly raftId: RaftId
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

  /** `encode` is called at once, for the state as it is now, and only when a snapshot is due. */
  takeWhenDue(meta: SnapshotMeta, encode: () => Promise<Uint8Array>): void {
    if (this.#isWriting || meta.index < this.#notBefore || !this.#isDue(meta.index)) return
    this.#isWriting = true
    this.#write(meta, encode()).catch((error: unknown) => {
      if (!isDiskFull(error)) return this.#deps.onFailed(error)
      this.#notBefore = meta.index + retryEntries
      this.#isWriting = false
    })
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

  #isDue(index: number): boolean {
    const { storage } = this.#deps
    const last = storage.snapshot()?.meta.index ?? 0
    if (index <= last) return false
    if (storage.bytesSinceSnapshot >= this.#shareBytes) return true
    return this.#stretchOf(index) > this.#stretchOf(last)
  }

  /** Each manager has ends of its own: what one of them is slow at, the others need not wait for. */
  #stretchOf(index: number): number {
    return Math.floor((index + (this.#deps.raftId % this.#everyEntries)) / this.#everyEntries)
  }

  async #write(meta: SnapshotMeta, encoding: Promise<Uint8Array>): Promise<void> {
    const snapshot = { meta, data: await encoding }
    await this.#deps.storage.saveSnapshotFile(snapshot)
    this.#written = snapshot
    this.#deps.onWritten()
  }
}
