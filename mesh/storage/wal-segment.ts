import { randomBytes } from 'node:crypto'
import { crc32c } from './crc32c.ts'
import type { Sealer, StorageKey } from './storage-key.ts'
import { sealOverheadBytes } from './storage-key.ts'
import type { RawRecord } from './wal-record.ts'

/**
 * One file of the log. It opens with a header in the clear:
 *
 *     magic(8) sequence(8) key id(4) chain(4) salt(16) crc(4)
 *
 * where `chain` is the checksum at which the segment before it ended, then records:
 *
 *     length(4) crc(4) type(1) version(1) key id(4) sealed payload
 *
 * where `length` counts what follows the checksum, which continues the record before it. Sealing
 * binds each record to its segment and offset.
 */
export interface SegmentHeader {
  readonly sequence: number
  readonly keyId: number
  readonly chain: number
  readonly salt: Uint8Array
}

export interface SegmentState {
  readonly sequence: number
  readonly sealer: Sealer
  readonly keyId: number
  /** Where the next record goes, and the checksum that it continues. */
  offset: number
  chain: number
}

/** What ends the reading of a segment before its end. */
export type Damage = { readonly offset: number; readonly isTorn: boolean }

const magic = Buffer.from('MESHWAL1')
const saltBytes = 16
export const segmentHeaderBytes = 44
const frameBytes = 8
const prefixBytes = 6
const recordBytesMax = 64 * 1024 * 1024
const purpose = 'write-ahead log'

export const segmentName = (sequence: number): string =>
  `${sequence.toString(16).padStart(16, '0')}.wal`

export function startSegment(
  key: StorageKey,
  sequence: number,
  chain: number,
): { readonly header: Uint8Array; readonly state: SegmentState } {
  const salt = randomBytes(saltBytes)
  const header = Buffer.alloc(segmentHeaderBytes)
  magic.copy(header)
  header.writeBigUInt64BE(BigInt(sequence), 8)
  header.writeUInt32BE(key.id, 16)
  header.writeUInt32BE(chain, 20)
  salt.copy(header, 24)
  const crc = crc32c(header.subarray(0, 40))
  header.writeUInt32BE(crc, 40)
  const sealer = key.sealerFor(salt, purpose)
  const state = { sequence, sealer, keyId: key.id, offset: segmentHeaderBytes, chain: crc }
  return { header, state }
}

/** Null when the header is damaged or cut short. */
export function readHeader(file: Uint8Array): SegmentHeader | null {
  if (file.length < segmentHeaderBytes) return null
  const bytes = Buffer.from(file.buffer, file.byteOffset, segmentHeaderBytes)
  if (!bytes.subarray(0, 8).equals(magic)) return null
  if (bytes.readUInt32BE(40) !== crc32c(bytes.subarray(0, 40))) return null
  return {
    sequence: Number(bytes.readBigUInt64BE(8)),
    keyId: bytes.readUInt32BE(16),
    chain: bytes.readUInt32BE(20),
    salt: bytes.subarray(24, 40),
  }
}

/** Continues `state` by one record and answers with its bytes. */
export function sealRecord(state: SegmentState, record: RawRecord): Uint8Array {
  const prefix = prefixOf(record, state.keyId)
  const sealed = state.sealer.seal(record.payload, aboutRecord(state, state.offset, prefix))
  const frame = Buffer.alloc(frameBytes)
  const crc = crc32c(sealed, crc32c(prefix, state.chain))
  frame.writeUInt32BE(prefix.length + sealed.length, 0)
  frame.writeUInt32BE(crc, 4)
  state.chain = crc
  state.offset += frame.length + prefix.length + sealed.length
  return Buffer.concat([frame, prefix, sealed])
}

/** All records of a segment, and the state to continue it from; damage when it does not end well. */
export function readSegment(
  file: Uint8Array,
  header: SegmentHeader,
  key: StorageKey,
): { readonly records: RawRecord[]; readonly state: SegmentState; readonly damage: Damage | null } {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength)
  const state: SegmentState = {
    sequence: header.sequence,
    sealer: key.sealerFor(header.salt, purpose),
    keyId: header.keyId,
    offset: segmentHeaderBytes,
    chain: bytes.readUInt32BE(40),
  }
  const records: RawRecord[] = []
  while (state.offset < bytes.length) {
    const found = recordAt(bytes, state.offset, state)
    if (found === null || found.crc !== crc32c(found.body, state.chain)) {
      const isTorn = !hasAuthenticRecordAfter(bytes, state.offset, state)
      return { records, state, damage: { offset: state.offset, isTorn } }
    }
    records.push(found.record)
    state.chain = found.crc
    state.offset += frameBytes + found.body.length
  }
  return { records, state, damage: null }
}

interface FoundRecord {
  readonly record: RawRecord
  readonly crc: number
  readonly body: Uint8Array
}

/** The record that was sealed for exactly this place; null when there is none. */
function recordAt(bytes: Buffer, offset: number, state: SegmentState): FoundRecord | null {
  if (offset + frameBytes > bytes.length) return null
  const length = bytes.readUInt32BE(offset)
  const start = offset + frameBytes
  if (length < prefixBytes + sealOverheadBytes || length > recordBytesMax) return null
  if (start + length > bytes.length) return null
  const body = bytes.subarray(start, start + length)
  const prefix = body.subarray(0, prefixBytes)
  if (prefix.readUInt32BE(2) !== state.keyId) return null
  const payload = state.sealer.open(body.subarray(prefixBytes), aboutRecord(state, offset, prefix))
  if (payload === null) return null
  const record = { type: prefix.readUInt8(0), version: prefix.readUInt8(1), payload }
  return { record, crc: bytes.readUInt32BE(offset + 4), body }
}

/**
 * Whether something whole stands behind the damage. If so, the damage is not a write that a crash
 * cut short, and cutting there would throw away what was promised to be kept.
 */
function hasAuthenticRecordAfter(bytes: Buffer, damagedAt: number, state: SegmentState): boolean {
  const mark = Buffer.alloc(4)
  mark.writeUInt32BE(state.keyId)
  let at = bytes.indexOf(mark, damagedAt + frameBytes + prefixBytes)
  while (at >= 0) {
    if (recordAt(bytes, at - 2 - frameBytes, state) !== null) return true
    at = bytes.indexOf(mark, at + 1)
  }
  return false
}

function prefixOf({ type, version }: RawRecord, keyId: number): Buffer {
  const prefix = Buffer.alloc(prefixBytes)
  prefix.writeUInt8(type, 0)
  prefix.writeUInt8(version, 1)
  prefix.writeUInt32BE(keyId, 2)
  return prefix
}

function aboutRecord(state: SegmentState, offset: number, prefix: Uint8Array): Uint8Array {
  const place = Buffer.alloc(16)
  place.writeBigUInt64BE(BigInt(state.sequence), 0)
  place.writeBigUInt64BE(BigInt(offset), 8)
  return Buffer.concat([place, prefix])
}
