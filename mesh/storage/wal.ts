import type { AppendFile, Disk } from '../base/disk.ts'
import type { Log } from '../base/log.ts'
import { MeshError } from '../base/mesh-error.ts'
import type { HardState } from '../raft/types.ts'
import type { StorageKey } from './storage-key.ts'
import { isDiskFull } from './disk-full.ts'
import { decodeRecord, encodeRecord, type RawRecord, type WalRecord } from './wal-record.ts'
import { corrupt, LogFold, type RecoveredLog, type SnapshotMarker } from './wal-recovery.ts'
import {
  readHeader,
  readSegment,
  sealRecords,
  segmentHeaderBytes,
  segmentName,
  startSegment,
  type SegmentState,
} from './wal-segment.ts'

const segmentBytesMax = 16 * 1024 * 1024
/** What is sealed in one piece; a record alone may be longer. */
const groupBytesAim = 1024 * 1024

export interface WalOptions {
  readonly disk: Disk
  readonly directory: string
  readonly key: StorageKey
  readonly log: Log
  readonly segmentBytes?: number
}

/** Where the log ends. */
interface Place {
  readonly segment: SegmentState | null
  readonly nextSequence: number
  readonly lastIndex: number
  readonly hardState: HardState | null
  readonly marker: SnapshotMarker | null
}

interface ClosedSegment {
  readonly path: string
  readonly lastIndex: number
}

/**
 * The write-ahead log: what Raft said must survive, in the order in which it was said. One `save` at
 * a time; all records of one save go out in one write and at most one fdatasync (group commit).
 */
export class Wal {
  readonly #options: WalOptions
  readonly #closed: ClosedSegment[] = []
  #file: AppendFile | null = null
  #segment: SegmentState | null = null
  #path = ''
  #lastIndex = 0
  #nextSequence = 1
  #chain = 0
  /** Repeated at the head of each segment, so that older ones can go. */
  #hardState: HardState | null = null
  #marker: SnapshotMarker | null = null

  private constructor(options: WalOptions) {
    this.#options = options
  }

  static async open(
    options: WalOptions,
  ): Promise<{ readonly wal: Wal; readonly recovered: RecoveredLog }> {
    const wal = new Wal(options)
    const recovered = await wal.#recover()
    return { wal, recovered }
  }

  async save(records: readonly WalRecord[], mustSync: boolean): Promise<void> {
    if (records.length === 0) return
    if (this.#isFull()) await this.#endSegment()
    const before = this.#place()
    try {
      const chunks: Uint8Array[] = []
      const segment = await this.#writableSegment(chunks)
      for (const group of grouped(records)) {
        chunks.push(sealRecords(segment, group))
      }
      for (const record of records) this.#note(record)
      await this.#file?.append(Buffer.concat(chunks))
    } catch (error) {
      if (isDiskFull(error)) await this.#returnTo(before)
      throw error
    }
    if (mustSync) await this.#file?.sync()
  }

  /** Nothing is there: no log was ever begun here, or the disk lost it. */
  get isMissing(): boolean {
    return this.#segment === null && this.#closed.length === 0
  }

  /** Writes the first segment, so that a log without a record can be told from one that is lost. */
  async begin(): Promise<void> {
    if (!this.isMissing) return
    const chunks: Uint8Array[] = []
    await this.#writableSegment(chunks)
    await this.#file?.append(Buffer.concat(chunks))
    await this.#file?.sync()
  }

  /** Removes segments that hold nothing above `index`; the newest one always stays. */
  async removeThrough(index: number): Promise<void> {
    for (let oldest = this.#closed[0]; oldest !== undefined; oldest = this.#closed[0]) {
      if (oldest.lastIndex > index) return
      await this.#options.disk.remove(oldest.path)
      this.#closed.shift()
    }
  }

  async close(): Promise<void> {
    const file = this.#file
    this.#file = null
    if (file === null) return
    await file.sync()
    await file.close()
  }

  /** The segment to append to; when it is a new one, its first bytes are put into `chunks`. */
  async #writableSegment(chunks: Uint8Array[]): Promise<SegmentState> {
    this.#segment ??= this.#beginSegment(chunks)
    this.#file ??= await this.#options.disk.openAppend(this.#path)
    return this.#segment
  }

  #isFull(): boolean {
    const { segmentBytes = segmentBytesMax } = this.#options
    return this.#segment !== null && this.#segment.offset >= segmentBytes
  }

  #place(): Place {
    return {
      segment: this.#segment === null ? null : { ...this.#segment },
      nextSequence: this.#nextSequence,
      lastIndex: this.#lastIndex,
      hardState: this.#hardState,
      marker: this.#marker,
    }
  }

  /** Nothing of a write that did not fit may stay, or what follows it could not be read. */
  async #returnTo(before: Place): Promise<void> {
    const { disk } = this.#options
    const path = this.#path
    this.#segment = before.segment
    this.#nextSequence = before.nextSequence
    this.#lastIndex = before.lastIndex
    this.#hardState = before.hardState
    this.#marker = before.marker
    if (before.segment !== null) return disk.truncate(path, before.segment.offset)
    const file = this.#file
    this.#file = null
    await file?.close()
    await disk.remove(path)
  }

  async #endSegment(): Promise<void> {
    await this.close()
    this.#chain = this.#segment?.chain ?? 0
    this.#closed.push({ path: this.#path, lastIndex: this.#lastIndex })
    this.#segment = null
    this.#lastIndex = 0
  }

  #beginSegment(chunks: Uint8Array[]): SegmentState {
    const sequence = this.#nextSequence++
    const { header, state } = startSegment(this.#options.key, sequence, this.#chain)
    this.#path = `${this.#options.directory}/${segmentName(sequence)}`
    chunks.push(header)
    const head: WalRecord[] = []
    if (this.#marker !== null) head.push({ kind: 'snapshot-marker', ...this.#marker })
    if (this.#hardState !== null) head.push({ kind: 'hard-state', hardState: this.#hardState })
    if (head.length > 0) chunks.push(sealRecords(state, head.map(encodeRecord)))
    return state
  }

  #note(record: WalRecord): void {
    if (record.kind === 'entry') this.#lastIndex = Math.max(this.#lastIndex, record.entry.index)
    if (record.kind === 'hard-state') this.#hardState = record.hardState
    if (record.kind === 'snapshot-marker') {
      this.#marker = { index: record.index, term: record.term }
    }
  }

  async #recover(): Promise<RecoveredLog> {
    const { disk, directory } = this.#options
    const names = (await disk.list(directory)).filter((name) => name.endsWith('.wal'))
    const fold = new LogFold()
    for (const [at, name] of names.entries()) {
      const path = `${directory}/${name}`
      const isLast = at === names.length - 1
      await this.#recoverSegment({ path, isFirst: at === 0, isLast }, fold)
    }
    return fold.result()
  }

  async #recoverSegment(
    { path, isFirst, isLast }: { path: string; isFirst: boolean; isLast: boolean },
    fold: LogFold,
  ): Promise<void> {
    const file = (await this.#options.disk.read(path)) ?? new Uint8Array()
    const header = readHeader(file)
    if (header === null) {
      if (!isLast || file.length > segmentHeaderBytes) throw corrupt(path, 0, 'segment header')
      return this.#dropUnborn(path)
    }
    if (header.keyId !== this.#options.key.id) {
      throw new MeshError({ code: 'storage/wrong-key', path })
    }
    const isItsOwn = path.endsWith(`/${segmentName(header.sequence)}`)
    if (!isItsOwn) throw corrupt(path, 0, 'another segment is in its place')
    const follows = header.sequence === this.#nextSequence && header.chain === this.#chain
    if (!isFirst && !follows) throw corrupt(path, 0, 'a segment before this one is missing')
    const { records, state, damage } = readSegment(file, header, this.#options.key)
    if (damage !== null && !(isLast && damage.isTorn)) throw corrupt(path, damage.offset, 'record')
    this.#path = path
    this.#lastIndex = 0
    for (const raw of records) {
      const record = decodeRecord(raw)
      if (record === null) throw new MeshError({ code: 'storage/newer-format', path })
      if (!fold.add(record)) throw corrupt(path, 0, 'entries before this segment are missing')
      this.#note(record)
    }
    this.#nextSequence = header.sequence + 1
    this.#chain = state.chain
    if (damage !== null) await this.#cutTail(path, damage.offset, file.length)
    if (isLast) this.#segment = state
    else this.#closed.push({ path, lastIndex: this.#lastIndex })
  }

  /** A crash came before the first write to a new segment was whole: nothing was promised in it. */
  async #dropUnborn(path: string): Promise<void> {
    this.#options.log.warn({ path }, 'removed an unfinished segment of the write-ahead log')
    await this.#options.disk.remove(path)
    this.#lastIndex = 0
  }

  async #cutTail(path: string, offset: number, length: number): Promise<void> {
    const facts = { path, offset, bytesCut: length - offset }
    this.#options.log.warn(facts, 'cut the torn tail of the write-ahead log')
    await this.#options.disk.truncate(path, offset)
  }
}

/**
 * The hard state stands apart, at the end: damage to the entries that were written with it is then
 * told from a torn tail.
 */
function* grouped(records: readonly WalRecord[]): Generator<readonly RawRecord[]> {
  let group: RawRecord[] = []
  let bytes = 0
  for (const record of records) {
    const raw = encodeRecord(record)
    const isApart = record.kind === 'hard-state' || bytes + raw.payload.length > groupBytesAim
    if (group.length > 0 && isApart) {
      yield group
      group = []
      bytes = 0
    }
    group.push(raw)
    bytes += raw.payload.length
  }
  if (group.length > 0) yield group
}
