import type { Json } from '../base/json.ts'
import type { NodeId } from '../base/ids.ts'
import { overheadBytes, recordBytes, utf8Bytes } from './record-bytes.ts'
import type { DiscoveryOptions } from './options.ts'
import type { Known, Section, VersionedValue } from './section.ts'
import type { DiscoveryRecord } from './types.ts'
import { VersionCoverage } from './version-coverage.ts'

interface Entry {
  readonly epoch: number
  readonly version: number
  readonly value: Json
  readonly bytes: number
  /** When a tombstone was first seen here; null for what is alive. */
  readonly buriedAtMs: number | null
}

/** Everything that one node says, as far as it is known here. */
export class WriterLog {
  readonly #node: NodeId
  readonly #options: DiscoveryOptions
  readonly #entries = new Map<string, Entry>()
  readonly #coverage: VersionCoverage
  #epoch: number
  #bytes = 0
  #tombstones = 0
  /** Highest version of a tombstone that was dropped: who knows less must be told everything. */
  #forgottenThrough = 0
  /** When what an earlier epoch said is dropped; null when there is nothing of the kind. */
  #dropOlderAtMs: number | null = null

  constructor(node: NodeId, epoch: number, options: DiscoveryOptions) {
    this.#node = node
    this.#epoch = epoch
    this.#options = options
    this.#coverage = new VersionCoverage(options.maxGaps)
  }

  get known(): Known {
    return { node: this.#node, epoch: this.#epoch, through: this.#coverage.through }
  }

  get hasGap(): boolean {
    return this.#coverage.hasGap
  }

  /** What is said now, withdrawals left out. */
  alive(): DiscoveryRecord[] {
    return [...this.#entries]
      .filter(([, { buriedAtMs }]) => buriedAtMs === null)
      .map(([key, entry]) => this.#record(key, entry))
  }

  value(key: string): Json {
    return this.#entries.get(key)?.value ?? null
  }

  /** Whether a record of this size may be added; the writer's own question before it publishes. */
  hasRoom(key: string, value: Json): boolean {
    const old = this.#entries.get(key)
    if (old === undefined && this.#entries.size >= this.#options.maxRecordsPerNode) return false
    const bytes = recordBytes(key, value) - (old?.bytes ?? 0)
    return this.#bytes + bytes <= this.#options.maxBytesPerNode
  }

  /** The writer's own next word. */
  append(key: string, value: Json, nowMs: number): DiscoveryRecord {
    const version = this.#coverage.through + 1
    const entry = this.#put({ version, key, value }, recordBytes(key, value), nowMs)
    this.#coverage.cover(version - 1, version)
    return this.#record(key, entry)
  }

  /** What of a section is news. An older epoch says nothing any more. */
  merge(section: Section, nowMs: number): DiscoveryRecord[] {
    if (section.epoch < this.#epoch) return []
    if (section.epoch > this.#epoch) this.restart(section.epoch, nowMs)
    const changed = section.isWhole ? this.#dropUnlisted(section) : []
    for (const record of section.records) {
      const old = this.#entries.get(record.key)
      if (old?.epoch === this.#epoch && old.version >= record.version) continue
      const bytes = recordBytes(record.key, record.value)
      if (!this.#accepts(record.key, bytes)) continue
      changed.push(this.#record(record.key, this.#put(record, bytes, nowMs)))
    }
    this.#coverage.cover(section.since, section.through)
    return changed
  }

  /** A new life of the writer: nothing of it is known, what it said before stands for a while. */
  restart(epoch: number, nowMs: number): void {
    this.#epoch = epoch
    this.#coverage.restart()
    this.#forgottenThrough = 0
    for (const [key, { buriedAtMs }] of this.#entries) {
      if (buriedAtMs !== null) this.#drop(key)
    }
    this.#dropOlderAtMs = nowMs + this.#options.restartGraceMs
  }

  /** What somebody misses who knows this; null when nothing. */
  missingFor(known: Known | undefined): Section | null {
    const { node, epoch, through } = this.known
    if (known !== undefined && known.epoch > epoch) return null
    const theirs = known?.epoch === epoch ? known.through : null
    if (theirs !== null && theirs >= through) return null
    const since = theirs === null || theirs < this.#forgottenThrough ? 0 : theirs
    return { node, epoch, since, through, isWhole: true, records: this.#since(since) }
  }

  /** The writer's own news, cut into sections of about `maxBytes` that follow each other. */
  newsSince(since: number, maxBytes: number): Section[] {
    const { node, epoch, through } = this.known
    const piece = (since: number, through: number, records: VersionedValue[]): Section => {
      return { node, epoch, since, through, isWhole: false, records }
    }
    const sections: Section[] = []
    let records: VersionedValue[] = []
    let bytes = 0
    let from = since
    for (const record of this.#since(since)) {
      const nextBytes = recordBytes(record.key, record.value)
      const last = records.at(-1)
      if (last !== undefined && bytes + nextBytes > maxBytes) {
        sections.push(piece(from, last.version, records))
        from = last.version
        records = []
        bytes = 0
      }
      records.push(record)
      bytes += nextBytes
    }
    return [...sections, piece(from, through, records)]
  }

  /** Drops what has been over for long enough. */
  tick(nowMs: number): DiscoveryRecord[] {
    const isGraceOver = this.#dropOlderAtMs !== null && nowMs >= this.#dropOlderAtMs
    if (isGraceOver) this.#dropOlderAtMs = null
    if (!isGraceOver && this.#tombstones === 0) return []
    const withdrawn: DiscoveryRecord[] = []
    for (const [key, entry] of this.#entries) {
      if (isGraceOver && entry.epoch < this.#epoch) withdrawn.push(this.#withdraw(key, entry))
      const { buriedAtMs, version } = entry
      if (buriedAtMs === null || nowMs < buriedAtMs + this.#options.tombstoneMs) continue
      this.#drop(key)
      this.#forgottenThrough = Math.max(this.#forgottenThrough, version)
    }
    return withdrawn
  }

  /** What a whole section does not list was withdrawn so long ago that nobody remembers it. */
  #dropUnlisted({ since, through, records }: Section): DiscoveryRecord[] {
    const listed = new Set(records.map(({ key }) => key))
    const withdrawn: DiscoveryRecord[] = []
    for (const [key, entry] of this.#entries) {
      const isCovered = entry.version > since && entry.version <= through
      if (entry.epoch < this.#epoch || !isCovered || listed.has(key)) continue
      if (entry.buriedAtMs === null) withdrawn.push(this.#withdraw(key, entry))
      else this.#drop(key)
    }
    return withdrawn
  }

  #since(since: number): VersionedValue[] {
    return [...this.#entries]
      .filter(([, { epoch, version }]) => epoch === this.#epoch && version > since)
      .map(([key, { version, value }]) => ({ version, key, value }))
      .sort((left, right) => left.version - right.version)
  }

  /** A writer keeps its limits; these are for one that does not, with room for what is going. */
  #accepts(key: string, bytes: number): boolean {
    const { maxKeyBytes, maxValueBytes, maxRecordsPerNode, maxBytesPerNode } = this.#options
    const keyBytes = utf8Bytes(key)
    if (keyBytes > maxKeyBytes || bytes - keyBytes > maxValueBytes + overheadBytes) return false
    const isNew = !this.#entries.has(key)
    if (isNew && this.#entries.size >= maxRecordsPerNode * 2) return false
    return this.#bytes < maxBytesPerNode * 2
  }

  #put({ version, key, value }: VersionedValue, bytes: number, nowMs: number): Entry {
    this.#drop(key)
    const buriedAtMs = value === null ? nowMs : null
    const entry: Entry = { epoch: this.#epoch, version, value, bytes, buriedAtMs }
    this.#entries.set(key, entry)
    this.#bytes += bytes
    if (value === null) this.#tombstones++
    return entry
  }

  #withdraw(key: string, entry: Entry): DiscoveryRecord {
    this.#drop(key)
    return this.#record(key, { ...entry, value: null })
  }

  #drop(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#bytes -= entry.bytes
    if (entry.buriedAtMs !== null) this.#tombstones--
    this.#entries.delete(key)
  }

  #record(key: string, { epoch, version, value }: Entry): DiscoveryRecord {
    return { node: this.#node, epoch, version, key, value }
  }
}
