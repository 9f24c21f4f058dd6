import { assert } from '../base/assert.ts'
import type { ConfState, Entry, EntryKind, Message, MessageKind, Snapshot } from '../raft/types.ts'
import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import type { FrameRefused } from './frames.ts'

/**
 * A Raft message: version(1) kind(1) flags(1), its numbers, its context, how many entries and each
 * of them, and the snapshot when there is one. Not JSON, as other messages are: a busy leader sends
 * thousands of entries a second.
 */
const version = 2
const flags = { reject: 1, snapshot: 2 } as const
const idsMax = 1000
/** Of what has a length of its own: all but its data. */
const headBytes = 128
const entryHeadBytes = 21

/** The kinds that nodes send to one another, by number; proposals go by a protocol of their own. */
const kinds: readonly MessageKind[] = [
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
]

const entryKinds: readonly EntryKind[] = ['normal', 'conf-change', 'conf-change-v2']

export function encodeRaftMessage(message: Message): Uint8Array {
  const { kind, context, entries, snapshot, reject } = message
  const data = entries.reduce((sum, entry) => sum + entry.data.length + entryHeadBytes, 0)
  const writer = new ByteWriter(headBytes + context.length + data)
  writer.byte(version)
  // None of ours, for a kind that must not be sent: whoever gets it refuses it.
  writer.byte(kinds.indexOf(kind) & 0xff)
  writer.byte((reject ? flags.reject : 0) | (snapshot === null ? 0 : flags.snapshot))
  writer.whole(message.to)
  writer.whole(message.from)
  writer.whole(message.term)
  writer.whole(message.logTerm)
  writer.whole(message.index)
  writer.whole(message.commit)
  writer.whole(message.vote)
  writer.whole(message.rejectHint)
  writer.counted(context)
  writer.whole(entries.length)
  for (const entry of entries) writeEntry(writer, entry)
  if (snapshot !== null) writeSnapshot(writer, snapshot)
  return writer.finish()
}

export function decodeRaftMessage(frame: Uint8Array): Message | FrameRefused {
  const reader = new ByteReader(frame)
  if (reader.byte() !== version) return { refused: 'version' }
  const kind = kinds[reader.byte()]
  if (kind === undefined) return { refused: 'kind' }
  const flagged = reader.byte()
  const message: Message = {
    kind,
    reject: (flagged & flags.reject) !== 0,
    to: reader.whole(),
    from: reader.whole(),
    term: reader.whole(),
    logTerm: reader.whole(),
    index: reader.whole(),
    commit: reader.whole(),
    vote: reader.whole(),
    rejectHint: reader.whole(),
    context: reader.counted(),
    entries: readMany(reader, reader.count(entryHeadBytes), readEntry),
    snapshot: (flagged & flags.snapshot) === 0 ? null : readSnapshot(reader),
  }
  return reader.isWhole ? message : { refused: 'length' }
}

function writeEntry(writer: ByteWriter, { kind, term, index, data }: Entry): void {
  writer.byte(entryKinds.indexOf(kind))
  writer.whole(term)
  writer.whole(index)
  writer.counted(data)
}

function readEntry(reader: ByteReader): Entry {
  const kind = entryKinds[reader.byte()] ?? reader.refuse('normal')
  return { kind, term: reader.whole(), index: reader.whole(), data: reader.counted() }
}

function writeSnapshot(writer: ByteWriter, { meta, data }: Snapshot): void {
  const { voters, votersOutgoing, learners, learnersNext, autoLeave } = meta.confState
  writer.whole(meta.index)
  writer.whole(meta.term)
  for (const ids of [voters, votersOutgoing, learners, learnersNext]) {
    writer.whole(ids.length)
    for (const id of ids) writer.whole(id)
  }
  writer.byte(autoLeave ? 1 : 0)
  writer.counted(data)
}

function readSnapshot(reader: ByteReader): Snapshot {
  const [index, term] = [reader.whole(), reader.whole()]
  const confState: ConfState = {
    voters: readIds(reader),
    votersOutgoing: readIds(reader),
    learners: readIds(reader),
    learnersNext: readIds(reader),
    autoLeave: reader.byte() !== 0,
  }
  return { meta: { index, term, confState }, data: reader.counted() }
}

const readIds = (reader: ByteReader): readonly number[] =>
  readMany(reader, reader.count(8, idsMax), () => reader.whole())

function readMany<T>(reader: ByteReader, count: number, read: (reader: ByteReader) => T): T[] {
  const found: T[] = []
  for (let at = 0; at < count; at++) found.push(read(reader))
  return found
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
