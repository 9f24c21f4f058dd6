import * as z from 'zod'
import { assert } from '../base/assert.ts'
import type { Entry, Message, SnapshotMeta } from '../raft/types.ts'
import { decodeJson, encodeJson, isRefused, type FrameRefused } from './frames.ts'

/**
 * A Raft message: version(1) header length(4) header, then the bytes that the header counts:
 * context, the data of each entry, the data of the snapshot. The header is JSON.
 */
const version = 1
const prefixBytes = 5
const whole = z.int().nonnegative()
const ids = z.array(whole).max(1000)

const snapshotMeta: z.ZodType<SnapshotMeta> = z.object({
  index: whole,
  term: whole,
  confState: z.object({
    voters: ids,
    votersOutgoing: ids,
    learners: ids,
    learnersNext: ids,
    autoLeave: z.boolean(),
  }),
})

const entryHeader = z.object({
  term: whole,
  index: whole,
  kind: z.enum(['normal', 'conf-change', 'conf-change-v2']),
  bytes: whole,
})

/** The kinds that nodes send to one another; proposals go by a protocol of their own. */
const kinds = [
  'append',
  'append-response',
  'vote',
  'vote-response',
  'snapshot',
  'heartbeat',
  'heartbeat-response',
  'timeout-now',
  'read-index',
  'read-index-response',
  'pre-vote',
  'pre-vote-response',
] as const

const messageHeader = z.object({
  kind: z.enum(kinds),
  to: whole,
  from: whole,
  term: whole,
  logTerm: whole,
  index: whole,
  commit: whole,
  vote: whole,
  reject: z.boolean(),
  rejectHint: whole,
  contextBytes: whole,
  entries: z.array(entryHeader),
  snapshot: z.object({ meta: snapshotMeta, bytes: whole }).nullable(),
})

export function encodeRaftMessage(message: Message): Uint8Array {
  const { context, entries, snapshot, ...scalars } = message
  const header = encodeJson({
    ...scalars,
    contextBytes: context.length,
    entries: entries.map(({ data, ...entry }) => ({ ...entry, bytes: data.length })),
    snapshot: snapshot && { meta: snapshot.meta, bytes: snapshot.data.length },
  })
  const prefix = new Uint8Array(prefixBytes)
  const view = new DataView(prefix.buffer)
  view.setUint8(0, version)
  view.setUint32(1, header.length)
  const data = entries.map((entry) => entry.data)
  return Buffer.concat([prefix, header, context, ...data, snapshot?.data ?? new Uint8Array()])
}

export function decodeRaftMessage(frame: Uint8Array): Message | FrameRefused {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength)
  if (bytes.length < prefixBytes || bytes[0] !== version) return { refused: 'version' }
  const headerEnd = prefixBytes + bytes.readUInt32BE(1)
  const header = decodeJson(messageHeader, bytes.subarray(prefixBytes, headerEnd))
  if (isRefused(header)) return header
  const { contextBytes, entries, snapshot, ...scalars } = header
  const counted = entries.reduce((sum, entry) => sum + entry.bytes, contextBytes)
  if (headerEnd + counted + (snapshot?.bytes ?? 0) !== bytes.length) return { refused: 'length' }
  let at = headerEnd
  const take = (length: number): Uint8Array => bytes.subarray(at, (at += length))
  return {
    ...scalars,
    context: take(contextBytes),
    entries: entries.map(({ bytes: length, ...entry }): Entry => ({
      ...entry,
      data: take(length),
    })),
    snapshot: snapshot && { meta: snapshot.meta, data: take(snapshot.bytes) },
  }
}

/** A frame carries at most this much of a message; longer ones go in parts. */
export const raftPartBytesMax: number = 512 * 1024
const partsMax = 1024
const partHeaderBytes = 12

/** A message as frames: id(4) number(4) count(4) part. Parts arrive in order or not at all. */
export function cutRaftMessage(bytes: Uint8Array, id: number): Uint8Array[] {
  const count = Math.max(1, Math.ceil(bytes.length / raftPartBytesMax))
  assert(count <= partsMax, 'a Raft message fits into the parts that a peer will take')
  return Array.from({ length: count }, (_, number) => {
    const part = bytes.subarray(number * raftPartBytesMax, (number + 1) * raftPartBytesMax)
    const frame = new Uint8Array(partHeaderBytes + part.length)
    const view = new DataView(frame.buffer)
    view.setUint32(0, id)
    view.setUint32(4, number)
    view.setUint32(8, count)
    frame.set(part, partHeaderBytes)
    return frame
  })
}

/** Puts the parts that one peer sends back together; holds at most one unfinished message. */
export class RaftAssembler {
  #id = -1
  #count = 0
  #parts: Uint8Array[] = []

  /** The whole message once its last part is there; null before, or when parts are missing. */
  push(frame: Uint8Array): Uint8Array | null {
    if (frame.length < partHeaderBytes) return null
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
    const [id, number, count] = [view.getUint32(0), view.getUint32(4), view.getUint32(8)]
    const part = frame.subarray(partHeaderBytes)
    if (count === 1) return number === 0 ? part : null
    if (count > partsMax || part.length > raftPartBytesMax) return null
    if (number === 0) this.#begin(id, count)
    if (id !== this.#id || count !== this.#count || number !== this.#parts.length) return null
    this.#parts.push(part)
    if (this.#parts.length < count) return null
    const whole = Buffer.concat(this.#parts)
    this.#begin(-1, 0)
    return whole
  }

  #begin(id: number, count: number): void {
    this.#id = id
    this.#count = count
    this.#parts = []
  }
}
