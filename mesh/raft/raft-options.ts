import { assert } from '../base/assert.ts'
import type { RaftId } from './types.ts'

/** What one Raft node is told at its start. Sizes may be `Infinity`: no limit. */
export interface RaftOptions {
  /** Never 0, and never used by another node before or after. */
  readonly id: RaftId
  /** A follower campaigns after this many silent ticks, up to twice as many, drawn anew each time. */
  readonly electionTicks: number
  readonly heartbeatTicks: number
  /** Entries in one append message; at least one goes however large it is. */
  readonly maxBytesPerMessage: number
  readonly maxCommittedBytesPerReady: number
  /** A leader drops proposals while its uncommitted tail holds more. */
  readonly maxUncommittedBytes: number
  readonly maxInflightMessages: number
  readonly maxInflightBytes: number
  readonly isPreVoteOn: boolean
  readonly isCheckQuorumOn: boolean
  /** A leader that is removed or demoted becomes a follower at once. */
  readonly stepDownOnRemoval: boolean
  /** For tests only: an invalid change that is applied ends the process. */
  readonly disableConfChangeValidation: boolean
  readonly disableProposalForwarding: boolean
  /** `lease-based` trusts clocks that a paused process does not have; the product never uses it. */
  readonly readOnly: 'safe' | 'lease-based'
  /** The last entry that the caller has applied; set when restarting. */
  readonly applied?: number
}

/** What the product runs with on a LAN, where a tick is 100 ms. */
export const lanRaftOptions: Omit<RaftOptions, 'id'> = {
  electionTicks: 5,
  heartbeatTicks: 1,
  maxBytesPerMessage: 512 * 1024,
  maxCommittedBytesPerReady: 4 * 1024 * 1024,
  maxUncommittedBytes: 64 * 1024 * 1024,
  maxInflightMessages: 256,
  maxInflightBytes: 8 * 1024 * 1024,
  isPreVoteOn: true,
  isCheckQuorumOn: true,
  stepDownOnRemoval: true,
  disableConfChangeValidation: false,
  disableProposalForwarding: false,
  readOnly: 'safe',
}

export function checkRaftOptions(options: RaftOptions): void {
  assert(Number.isSafeInteger(options.id) && options.id > 0, 'a raft id is a positive integer')
  assert(options.heartbeatTicks > 0, 'heartbeatTicks must be positive')
  assert(
    options.electionTicks > options.heartbeatTicks,
    'electionTicks must be larger than heartbeatTicks',
  )
  assert(options.maxCommittedBytesPerReady > 0, 'maxCommittedBytesPerReady must be positive')
  assert(options.maxInflightMessages > 0, 'maxInflightMessages must be positive')
  assert(
    options.maxInflightBytes >= options.maxBytesPerMessage,
    'maxInflightBytes must hold at least one message',
  )
  assert(
    options.readOnly === 'safe' || options.isCheckQuorumOn,
    'reads by lease need isCheckQuorumOn',
  )
}
