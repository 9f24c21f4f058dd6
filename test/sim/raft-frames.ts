import type { Message } from '../../mesh/raft/types.ts'
import { isRefused } from '../../mesh/wire/frames.ts'
import { decodeRaftMessage } from '../../mesh/wire/raft-message.ts'

const partHeaderBytes = 12

/** Null for a message that goes in several parts: none is so long here. */
export function readMessage(frame: Uint8Array): Message | null {
  const message = decodeRaftMessage(frame.subarray(partHeaderBytes))
  return isRefused(message) ? null : message
}
