/**
 * Raft in the shape of etcd's: a pure core that is stepped with inputs and answers with `Ready`,
 * what the caller must persist, send and apply, in that order. Ids are positive integers; 0 is none.
 */

/** A voter or learner; the product derives it from the node id (`mesh/node`). */
export type RaftId = number

export type EntryKind = 'normal' | 'conf-change' | 'conf-change-v2'

export interface Entry {
  readonly term: number
  readonly index: number
  readonly kind: EntryKind
  readonly data: Uint8Array
}

/** What must survive a crash besides the log. */
export interface HardState {
  readonly term: number
  readonly vote: RaftId
  readonly commit: number
}

/** Who votes and who listens, also in the middle of a joint change (etcd's ConfState). */
export interface ConfState {
  readonly voters: readonly RaftId[]
  readonly votersOutgoing: readonly RaftId[]
  readonly learners: readonly RaftId[]
  readonly learnersNext: readonly RaftId[]
  readonly autoLeave: boolean
}

export interface SnapshotMeta {
  readonly index: number
  readonly term: number
  readonly confState: ConfState
}

export interface Snapshot {
  readonly meta: SnapshotMeta
  readonly data: Uint8Array
}

export type ConfChangeKind = 'add-node' | 'remove-node' | 'update-node' | 'add-learner'

export interface ConfChangeSingle {
  readonly kind: ConfChangeKind
  readonly node: RaftId
}

/** etcd's ConfChangeV2; `context` is the caller's and comes back when the change is applied. */
export interface ConfChange {
  readonly transition: 'auto' | 'joint-implicit' | 'joint-explicit'
  readonly changes: readonly ConfChangeSingle[]
  readonly context: Uint8Array
}

export type MessageKind =
  | 'hup'
  | 'beat'
  | 'propose'
  | 'append'
  | 'append-response'
  | 'vote'
  | 'vote-response'
  | 'snapshot'
  | 'heartbeat'
  | 'heartbeat-response'
  | 'unreachable'
  | 'snapshot-status'
  | 'check-quorum'
  | 'transfer-leader'
  | 'timeout-now'
  | 'read-index'
  | 'read-index-response'
  | 'pre-vote'
  | 'pre-vote-response'

/** One shape for all messages, as etcd has it; unused fields hold their zero. */
export interface Message {
  readonly kind: MessageKind
  readonly to: RaftId
  readonly from: RaftId
  readonly term: number
  readonly logTerm: number
  readonly index: number
  readonly entries: readonly Entry[]
  readonly commit: number
  readonly vote: RaftId
  readonly snapshot: Snapshot | null
  readonly reject: boolean
  readonly rejectHint: number
  readonly context: Uint8Array
}

export type Role = 'follower' | 'pre-candidate' | 'candidate' | 'leader'

export interface SoftState {
  readonly lead: RaftId
  readonly role: Role
}

/** A read asked for with `readIndex(context)` may be answered once `index` is applied. */
export interface ReadState {
  readonly index: number
  readonly context: Uint8Array
}

/**
 * One batch of work, to be done in this order: persist `hardState`, `entries`, `snapshot` (fdatasync
 * when `mustSync`), send `messages`, apply `snapshot`, then `committed`; then call `advance()`.
 */
export interface Ready {
  readonly softState: SoftState | null
  readonly hardState: HardState | null
  readonly entries: readonly Entry[]
  readonly snapshot: Snapshot | null
  readonly committed: readonly Entry[]
  readonly messages: readonly Message[]
  readonly readStates: readonly ReadState[]
  readonly mustSync: boolean
}

/** What the core reads of the stable log (etcd's Storage). The caller appends what Ready told it to. */
export interface LogStorage {
  initialState(): { hardState: HardState; confState: ConfState }
  /** Entries in [low, high), at most about `maxBytes` but never none; 'compacted' or 'unavailable' when out of range. */
  entries(
    low: number,
    high: number,
    maxBytes: number,
  ): readonly Entry[] | 'compacted' | 'unavailable'
  term(index: number): number | 'compacted' | 'unavailable'
  firstIndex(): number
  lastIndex(): number
  /** The latest snapshot; null when one is not at hand now. */
  snapshot(): Snapshot | null
}

export type ProposalRefusal = 'no-leader' | 'proposal-dropped' | 'too-large'
