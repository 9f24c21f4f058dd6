import type { MessageKind } from '../../mesh/raft/types.ts'

/** What a Raft message says of itself on the wire, unchecked: its sender is ours. */
export interface SeenMessage {
  readonly kind: MessageKind
  readonly term: number
  readonly index: number
  readonly commit: number
  readonly reject: boolean
}

const partHeaderBytes = 12
const headerLengthAt = partHeaderBytes + 1
const headerAt = headerLengthAt + 4

/** Null for the later parts of a message that goes in several. */
export function readMessage(frame: Uint8Array): SeenMessage | null {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength)
  if (bytes.readUInt32BE(4) !== 0) return null
  const headerEnd = headerAt + bytes.readUInt32BE(headerLengthAt)
  return JSON.parse(bytes.toString('latin1', headerAt, headerEnd)) as SeenMessage
}
