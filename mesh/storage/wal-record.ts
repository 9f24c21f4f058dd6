import { assert, unreachable } from '../base/assert.ts'
import type { Entry, EntryKind, HardState } from '../raft/types.ts'

/**
 * What the log on disk remembers. An entry at index i also says that whatever stood at i and above
 * before it is void: cutting and appending are then one step that cannot be torn apart.
 */
export type WalRecord =
  | { readonly kind: 'entry'; readonly entry: Entry }
  | { readonly kind: 'hard-state'; readonly hardState: HardState }
  /** A snapshot of this index and term is durable. */
  | { readonly kind: 'snapshot-marker'; readonly index: number; readonly term: number }

export interface RawRecord {
  readonly type: number
  readonly version: number
  readonly payload: Uint8Array
}

const version = 1
const recordTypes = { entry: 1, hardState: 2, snapshotMarker: 3 } as const

/** Of each record in a batch: length(4) type(1) version(1), where the length counts the payload. */
const recordHeadBytes = 6

const entryKinds: readonly EntryKind[] = ['normal', 'conf-change', 'conf-change-v2']
const entryHeaderBytes = 17

export function encodeRecord(record: WalRecord): RawRecord {
  switch (record.kind) {
    case 'entry':
      return { type: recordTypes.entry, version, payload: encodeEntry(record.entry) }
    case 'hard-state': {
      const { term, vote, commit } = record.hardState
      return { type: recordTypes.hardState, version, payload: encodeNumbers([term, vote, commit]) }
    }
    case 'snapshot-marker':
      return {
        type: recordTypes.snapshotMarker,
        version,
        payload: encodeNumbers([record.index, record.term]),
      }
    default:
      return unreachable(record)
  }
}

/** Null when it is no record of this version: written by a newer meshd. */
export function decodeRecord({ type, version: written, payload }: RawRecord): WalRecord | null {
  if (written !== version) return null
  switch (type) {
    case recordTypes.entry: {
      const entry = decodeEntry(payload)
      return entry === null ? null : { kind: 'entry', entry }
    }
    case recordTypes.hardState: {
      const [term, vote, commit] = decodeNumbers(payload)
      if (term === undefined || vote === undefined || commit === undefined) return null
      return { kind: 'hard-state', hardState: { term, vote, commit } }
    }
    case recordTypes.snapshotMarker: {
      const [index, term] = decodeNumbers(payload)
      if (index === undefined || term === undefined) return null
      return { kind: 'snapshot-marker', index, term }
    }
    default:
      return null
  }
}

export function joinRecords(records: readonly RawRecord[]): Uint8Array {
  const parts: Uint8Array[] = []
  for (const { type, version: written, payload } of records) {
    const head = Buffer.allocUnsafe(recordHeadBytes)
    head.writeUInt32BE(payload.length, 0)
    head.writeUInt8(type, 4)
    head.writeUInt8(written, 5)
    parts.push(head, payload)
  }
  return Buffer.concat(parts)
}

/** Null when that is not what `joinRecords` made. */
export function splitRecords(joined: Uint8Array): readonly RawRecord[] | null {
  const bytes = bufferOf(joined)
  const records: RawRecord[] = []
  for (let at = 0; at < bytes.length;) {
    if (at + recordHeadBytes > bytes.length) return null
    const start = at + recordHeadBytes
    const end = start + bytes.readUInt32BE(at)
    if (end > bytes.length) return null
    const [type, written] = [bytes.readUInt8(at + 4), bytes.readUInt8(at + 5)]
    records.push({ type, version: written, payload: bytes.subarray(start, end) })
    at = end
  }
  return records
}

function encodeEntry(entry: Entry): Uint8Array {
  const kind = entryKinds.indexOf(entry.kind)
  assert(kind >= 0, 'an entry is of a known kind')
  const header = Buffer.allocUnsafe(entryHeaderBytes)
  header.writeBigUInt64BE(BigInt(entry.term), 0)
  header.writeBigUInt64BE(BigInt(entry.index), 8)
  header.writeUInt8(kind, 16)
  return Buffer.concat([header, entry.data])
}

function decodeEntry(payload: Uint8Array): Entry | null {
  if (payload.length < entryHeaderBytes) return null
  const bytes = bufferOf(payload)
  const kind = entryKinds[bytes.readUInt8(16)]
  if (kind === undefined) return null
  const term = Number(bytes.readBigUInt64BE(0))
  const index = Number(bytes.readBigUInt64BE(8))
  return { term, index, kind, data: bytes.subarray(entryHeaderBytes) }
}

function encodeNumbers(numbers: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(numbers.length * 8)
  for (const [at, number] of numbers.entries()) bytes.writeBigUInt64BE(BigInt(number), at * 8)
  return bytes
}

function decodeNumbers(payload: Uint8Array): number[] {
  const bytes = bufferOf(payload)
  return Array.from({ length: Math.floor(bytes.length / 8) }, (_, at) =>
    Number(bytes.readBigUInt64BE(at * 8)),
  )
}

const bufferOf = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
