import type { Disk, DiskRoom } from '../base/disk.ts'
import type { Log } from '../base/log.ts'
import { MemoryLog } from '../raft/memory-log.ts'
import type {
  ConfState,
  Entry,
  HardState,
  LogStorage,
  Ready,
  Snapshot,
  SnapshotMeta,
} from '../raft/types.ts'
import { isDiskFull } from './disk-full.ts'
import { Snapshots } from './snapshots.ts'
import { openStorageKey } from './storage-key.ts'
import { corrupt, type RecoveredLog } from './wal-recovery.ts'
import type { WalRecord } from './wal-record.ts'
import { Wal } from './wal.ts'

const walDirectory = 'raft/wal'
const snapshotDirectory = 'raft/snapshots'

export interface RaftStorageOptions {
  readonly disk: Disk
  readonly log: Log
  /** 16 MiB when absent. */
  readonly segmentBytes?: number
  /** A log was begun here: that there is none now is a loss, and promises were lost with it. */
  readonly mustExist?: boolean
}

/** What the log adds to an entry, and what it takes for a record without one. */
const recordBytes = 64

const weightOf = (entries: readonly Entry[]): number =>
  entries.reduce((bytes, { data }) => bytes + data.length + recordBytes, 0)

const markerOf = ({ meta: { index, term } }: Snapshot): WalRecord => ({
  kind: 'snapshot-marker',
  index,
  term,
})

/** What a turn of Raft wants kept. */
export type Persistable = Pick<Ready, 'hardState' | 'entries' | 'snapshot' | 'mustSync'>

/**
 * Raft's memory: log and snapshots on the disk, and a mirror of them that the core reads without
 * waiting. Callers make one change at a time. A rejection with `storage/sync-failed` is final.
 */
export class RaftStorage implements LogStorage {
  readonly #mirror = new MemoryLog()
  readonly #disk: Disk
  readonly #wal: Wal
  readonly #snapshots: Snapshots
  #bytesSinceSnapshot = 0
  /** Only its commit index is news, which no promise depends on: it goes out with the next record. */
  #owedHardState: HardState | null = null

  private constructor(disk: Disk, wal: Wal, snapshots: Snapshots) {
    this.#disk = disk
    this.#wal = wal
    this.#snapshots = snapshots
  }

  static async open(options: RaftStorageOptions): Promise<RaftStorage> {
    const { disk, log } = options
    const existing = await disk.list(walDirectory)
    const key = await openStorageKey(disk, existing.length === 0)
    const snapshots = new Snapshots({ disk, directory: snapshotDirectory, key, log })
    const walOptions = { ...options, directory: walDirectory, key }
    const { wal, recovered } = await Wal.open(walOptions)
    if (options.mustExist === true && wal.isMissing) {
      throw corrupt(walDirectory, 0, 'the log that was begun here is gone')
    }
    const storage = new RaftStorage(disk, wal, snapshots)
    await storage.#restore(recovered)
    return storage
  }

  /** Nothing was ever kept: a node that neither founded nor heard of a cluster. */
  get isEmpty(): boolean {
    const { term, vote } = this.#mirror.initialState().hardState
    return this.lastIndex() === 0 && term === 0 && vote === 0
  }

  /** How much log a restart would have to read again. */
  get bytesSinceSnapshot(): number {
    return this.#bytesSinceSnapshot
  }

  /** How much more fits on its disk. */
  room(): Promise<DiskRoom> {
    return this.#disk.room()
  }

  /** From now on the log is there, even if nothing is ever written to it. */
  begin(): Promise<void> {
    return this.#wal.begin()
  }

  initialState(): { hardState: HardState; confState: ConfState } {
    return this.#mirror.initialState()
  }

  entries(
    low: number,
    high: number,
    maxBytes: number,
  ): readonly Entry[] | 'compacted' | 'unavailable' {
    return this.#mirror.entries(low, high, maxBytes)
  }

  term(index: number): number | 'compacted' | 'unavailable' {
    return this.#mirror.term(index)
  }

  firstIndex(): number {
    return this.#mirror.firstIndex()
  }

  lastIndex(): number {
    return this.#mirror.lastIndex()
  }

  snapshot(): Snapshot | null {
    return this.#mirror.snapshot()
  }

  /** When it resolves, what the turn promises to others is true after any crash. */
  async save(turn: Persistable): Promise<void> {
    const { hardState, entries, snapshot } = turn
    if (hardState !== null) this.#owedHardState = hardState
    if (entries.length > 0 || snapshot !== null || turn.mustSync) {
      const records: WalRecord[] = []
      if (snapshot !== null) {
        await this.#snapshots.save(snapshot)
        records.push(markerOf(snapshot))
      }
      for (const entry of entries) records.push({ kind: 'entry', entry })
      await this.#write(records, turn.mustSync || snapshot !== null)
    }
    this.#mirrorTurn(turn)
    if (snapshot !== null) await this.#tidy(snapshot.meta.index)
  }

  /** The state machine's own snapshot, durable when it resolves; may run beside `save`. */
  saveSnapshotFile(snapshot: Snapshot): Promise<void> {
    return this.#snapshots.save(snapshot)
  }

  /** Makes a saved snapshot count, then forgets entries, all but the last ones below it. */
  async adoptSnapshot(
    snapshot: Snapshot,
    entriesKept: number,
    bytesKept = Infinity,
  ): Promise<void> {
    const { index, confState } = snapshot.meta
    if (index <= (this.#mirror.snapshot()?.meta.index ?? 0)) return
    await this.#write([markerOf(snapshot)], true)
    this.#mirror.createSnapshot(index, confState, snapshot.data)
    this.#bytesSinceSnapshot = 0
    const compactTo = this.#oldestKept(index, { entriesKept, bytesKept })
    if (compactTo < this.firstIndex()) return
    this.#mirror.compact(compactTo)
    await this.#tidy(compactTo)
  }

  async close(): Promise<void> {
    try {
      if (this.#owedHardState !== null) await this.#write([], true)
    } catch (error) {
      // Others know the commit index as well: a full disk is no reason not to end in order.
      if (!isDiskFull(error)) throw error
    } finally {
      await this.#wal.close()
    }
  }

  async #write(records: readonly WalRecord[], mustSync: boolean): Promise<void> {
    const owed = this.#owedHardState
    const hardStates: WalRecord[] = owed === null ? [] : [{ kind: 'hard-state', hardState: owed }]
    await this.#wal.save([...records, ...hardStates], mustSync)
    if (this.#owedHardState === owed) this.#owedHardState = null
  }

  #oldestKept(index: number, most: { entriesKept: number; bytesKept: number }): number {
    const lowest = Math.max(index - most.entriesKept, this.firstIndex() - 1)
    let bytes = 0
    for (let at = index; at > lowest; at--) {
      const found = this.#mirror.entries(at, at + 1, Infinity)
      bytes += typeof found === 'string' ? 0 : weightOf(found)
      if (bytes > most.bytesKept) return at
    }
    return lowest
  }

  #mirrorTurn({ hardState, entries, snapshot }: Persistable): void {
    if (snapshot !== null) {
      this.#mirror.applySnapshot(snapshot)
      this.#bytesSinceSnapshot = 0
    }
    this.#mirror.append(entries)
    this.#bytesSinceSnapshot += weightOf(entries) + (hardState === null ? 0 : recordBytes)
    if (hardState !== null) this.#mirror.setHardState(hardState)
  }

  async #tidy(index: number): Promise<void> {
    await this.#wal.removeThrough(index)
    await this.#snapshots.prune()
  }

  async #restore({ hardState, entries, markers }: RecoveredLog): Promise<void> {
    const snapshot = await this.#newestOf(markers)
    if (snapshot !== null) this.#mirror.applySnapshot(snapshot)
    const base = snapshot?.meta.index ?? 0
    const kept = entries.filter((entry) => entry.index > base)
    const isConnected = kept[0] === undefined || kept[0].index === base + 1
    if (!isConnected || (snapshot === null && markers.length > 0 && entries[0]?.index !== 1)) {
      throw corrupt(snapshotDirectory, 0, 'no readable snapshot that the log continues')
    }
    this.#mirror.append(kept)
    this.#bytesSinceSnapshot += weightOf(kept)
    if (hardState === null) return
    // The commit index alone is not synced, but whatever a durable snapshot holds was committed.
    this.#mirror.setHardState({ ...hardState, commit: Math.max(hardState.commit, base) })
  }

  async #newestOf(
    markers: readonly Pick<SnapshotMeta, 'index' | 'term'>[],
  ): Promise<Snapshot | null> {
    for (const marker of markers.toReversed()) {
      const snapshot = await this.#snapshots.load(marker)
      if (snapshot !== null) return snapshot
    }
    return null
  }
}
