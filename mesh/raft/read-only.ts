import { noBytes } from './message.ts'
import { jointCommitted, type JointVoters } from './quorum.ts'
import type { Message, RaftId } from './types.ts'

/** Reads that wait at once; further ones are dropped, and their callers ask again. */
const maxWaiting = 4096

export interface WaitingRead {
  readonly request: Message
  /** The commit index when it was asked for: the answer may not be older. */
  readonly index: number
}

/**
 * ReadIndex: a leader answers reads once a quorum has confirmed, by heartbeats sent after they
 * arrived, that it still leads. Reads are numbered; a heartbeat carries the number of the last one,
 * so one round confirms all that wait.
 */
export class ReadOnly {
  readonly #acks = new Map<RaftId, number>()
  #waiting: WaitingRead[] = []
  #confirmed = 0

  add(request: Message, index: number): boolean {
    if (this.#waiting.length >= maxWaiting) return false
    this.#waiting.push({ request, index })
    return true
  }

  /** What heartbeats carry: empty while nobody waits. */
  heartbeatContext(): Uint8Array {
    return this.#waiting.length === 0
      ? noBytes
      : encodeNumber(this.#confirmed + this.#waiting.length)
  }

  /** `from` has seen our heartbeat with that context. */
  acknowledge(from: RaftId, context: Uint8Array): void {
    if (context.length !== numberBytes) return
    this.#acks.set(from, Math.max(this.#acks.get(from) ?? 0, decodeNumber(context)))
  }

  /** The reads that a quorum has confirmed since the last call. */
  takeConfirmed(voters: JointVoters): readonly WaitingRead[] {
    const confirmed = jointCommitted(voters, (voter) => this.#acks.get(voter))
    if (confirmed <= this.#confirmed) return []
    const reads = this.#waiting.splice(0, confirmed - this.#confirmed)
    this.#confirmed += reads.length
    return reads
  }
}

const numberBytes = 8

function encodeNumber(value: number): Uint8Array {
  const bytes = new Uint8Array(numberBytes)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true)
  return bytes
}

function decodeNumber(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Number(view.getBigUint64(0, true))
}
