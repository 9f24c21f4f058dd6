import { randomBytes } from 'node:crypto'
import { crc32c } from './crc32c.ts'
import type { Sealer, StorageKey } from './storage-key.ts'
import { sealOverheadBytes } from './storage-key.ts'
import { joinRecords, splitRecords, type RawRecord } from './wal-record.ts'

/**
 * One file of the log. It opens with a header in the clear:
 *
 *     magic(8) sequence(8) key id(4) chain(4) salt(16) crc(4)
 *
 * where `chain` is the checksum at which the segment before it ended, then frames:
 *
 *     length(4) crc(4) type(1) version(1) key id(4) sealed payload
 *
 * where `length` counts what follows the checksum, which continues the frame before it. Sealing
 * binds each frame to its segment and offset. What is written together is sealed together: the
 * payload of a frame of type `batch` is the records of a save, one after the other. Frames of the
 * types that records have are of an older meshd, and hold one record each.
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
  /** Where the next frame goes, and the checksum that it continues. */
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
const frameBytesMax = 64 * 1024 * 1024
const batch = { type: 4, version: 1 } as const
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

/** Continues `state` by records that are read again all or none, and answers with their bytes. */
export function sealRecords(state: SegmentState, records: readonly RawRecord[]): Uint8Array {
  const payload = joinRecords(records)
  const prefix = prefixOf(batch, state.keyId)
  const sealed = state.sealer.seal(payload, aboutFrame(state, state.offset, prefix))
  const frame = Buffer.allocUnsafe(frameBytes)
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
    const found = frameAt(bytes, state.offset, state)
    if (found === null || found.crc !== crc32c(found.body, state.chain)) {
      const isTorn = !hasAuthenticFrameAfter(bytes, state.offset, state)
      return { records, state, damage: { offset: state.offset, isTorn } }
    }
    records.push(...recordsIn(found.content))
    state.chain = found.crc
    state.offset += frameBytes + found.body.length
  }
  return { records, state, damage: null }
}

/** What a newer meshd wrote is passed on as it is, for its reader to refuse. */
function recordsIn(content: RawRecord): readonly RawRecord[] {
  if (content.type !== batch.type || content.version !== batch.version) return [content]
  return splitRecords(content.payload) ?? [content]
}

interface FoundFrame {
  readonly content: RawRecord
  readonly crc: number
  readonly body: Uint8Array
}

/** What was sealed for exactly this place; null when there is nothing. */
function frameAt(bytes: Buffer, offset: number, state: SegmentState): FoundFrame | null {
  if (offset + frameBytes > bytes.length) return null
  const length = bytes.readUInt32BE(offset)
  const start = offset + frameBytes
  if (length < prefixBytes + sealOverheadBytes || length > frameBytesMax) return null
  if (start + length > bytes.length) return null
  const body = bytes.subarray(start, start + length)
  const prefix = body.subarray(0, prefixBytes)
  if (prefix.readUInt32BE(2) !== state.keyId) return null
  const payload = state.sealer.open(body.subarray(prefixBytes), aboutFrame(state, offset, prefix))
  if (payload === null) return null
  const content = { type: prefix.readUInt8(0), version: prefix.readUInt8(1), payload }
  return { content, crc: bytes.readUInt32BE(offset + 4), body }
}

/**
 * Whether something whole stands behind the damage. If so, the damage is not a write that a crash
 * cut short, and cutting there would throw away what was promised to be kept.
 */
function hasAuthenticFrameAfter(bytes: Buffer, damagedAt: number, state: SegmentState): boolean {
  const mark = Buffer.alloc(4)
  mark.writeUInt32BE(state.keyId)
  let at = bytes.indexOf(mark, damagedAt + frameBytes + prefixBytes)
  while (at >= 0) {
    if (frameAt(bytes, at - 2 - frameBytes, state) !== null) return true
    at = bytes.indexOf(mark, at + 1)
  }
  return false
}

function prefixOf({ type, version }: Omit<RawRecord, 'payload'>, keyId: number): Buffer {
  const prefix = Buffer.alloc(prefixBytes)
  prefix.writeUInt8(type, 0)
  prefix.writeUInt8(version, 1)
  prefix.writeUInt32BE(keyId, 2)
  return prefix
}

function aboutFrame(state: SegmentState, offset: number, prefix: Uint8Array): Uint8Array {
  const place = Buffer.alloc(16)
  place.writeBigUInt64BE(BigInt(state.sequence), 0)
  place.writeBigUInt64BE(BigInt(offset), 8)
  return Buffer.concat([place, prefix])
}
