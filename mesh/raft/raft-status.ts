import type { Configuration } from './configuration.ts'
import type { ProgressState } from './progress.ts'
import type { RaftId, Role } from './types.ts'

/** What a leader knows about one peer (itself included). */
export interface PeerStatus {
  readonly id: RaftId
  readonly match: number
  readonly next: number
  readonly state: ProgressState
  readonly isLearner: boolean
  readonly isPaused: boolean
  /** 0 when no snapshot is under way. */
  readonly pendingSnapshot: number
  readonly isRecentlyActive: boolean
  readonly inflightMessages: number
  readonly isInflightFull: boolean
}

/** A copy: it does not change while the node goes on. */
export interface RaftStatus {
  readonly id: RaftId
  readonly term: number
  readonly vote: RaftId
  readonly commit: number
  readonly applied: number
  readonly lead: RaftId
  /** Where leadership is being transferred to; 0 when it is not. */
  readonly leadTransferee: RaftId
  readonly role: Role
  readonly firstIndex: number
  readonly lastIndex: number
  readonly configuration: Configuration
  /** By rising id; empty unless this node leads. */
  readonly peers: readonly PeerStatus[]
}
