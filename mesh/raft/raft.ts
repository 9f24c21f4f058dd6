import { assert } from '../base/assert.ts'
import type { Random } from '../base/random.ts'
import { describeConfiguration } from './configuration.ts'
import { restoreMembership } from './conf-restore.ts'
import { payloadSize } from './entry-size.ts'
import { hasOwnTerm, isPromise, makeMessage } from './message.ts'
import { RaftLog } from './raft-log.ts'
import { checkRaftOptions, type RaftOptions } from './raft-options.ts'
import { ReadOnly } from './read-only.ts'
import { ProgressTracker } from './tracker.ts'
import type {
  Entry,
  HardState,
  LogStorage,
  Message,
  RaftId,
  ReadState,
  Role,
  SoftState,
} from './types.ts'

export type RaftLogLevel = 'debug' | 'info' | 'warn'

export interface RaftDeps {
  readonly storage: LogStorage
  readonly random: Random
  readonly log?: (level: RaftLogLevel, text: string) => void
}

/** What a proposer gives; term and index are the leader's to assign. */
export type EntryDraft = Pick<Entry, 'kind' | 'data'>

/**
 * The state that all roles share, and the transitions between them. What a role does with a message
 * stands in a file of its own (`leader.ts`, `follower.ts` …), as functions over this. Only
 * `RaftNode` is seen from outside of the folder.
 */
export class Raft {
  readonly id: RaftId
  readonly options: RaftOptions
  readonly log: RaftLog
  readonly tracker: ProgressTracker
  readonly #deps: RaftDeps

  term = 0
  vote: RaftId = 0
  role: Role = 'follower'
  lead: RaftId = 0
  /** Where leadership is being transferred to; 0 when it is not. */
  leadTransferee: RaftId = 0

  /** Ticks since the leader was last heard or, for a leader, since CheckQuorum last looked. */
  electionElapsed = 0
  heartbeatElapsed = 0
  /** In [electionTicks, 2 * electionTicks): so that followers do not campaign all at once. */
  randomizedElectionTicks = 0

  /** At or beyond the last change of membership that may not have been applied yet. */
  pendingConfIndex = 0
  uncommittedBytes = 0

  reads: ReadOnly = new ReadOnly()
  /** Reads that came before this leader has committed anything of its own term. */
  earlyReads: Message[] = []
  readStates: ReadState[] = []

  /** May leave at once. */
  messages: Message[] = []
  /** Must wait until term, vote and entries of this moment are on disk; some are to ourselves. */
  messagesAfterAppend: Message[] = []

  constructor(options: RaftOptions, deps: RaftDeps) {
    checkRaftOptions(options)
    this.id = options.id
    this.options = options
    this.#deps = deps
    this.log = new RaftLog(deps.storage, options.maxCommittedBytesPerReady)
    const limits = { maxMessages: options.maxInflightMessages, maxBytes: options.maxInflightBytes }
    this.tracker = new ProgressTracker(limits)
    const { hardState, confState } = deps.storage.initialState()
    this.tracker.adopt(restoreMembership(confState, limits, this.log.lastIndex))
    this.#load(hardState)
    if (options.applied !== undefined && options.applied > 0) this.log.appliedTo(options.applied, 0)
    this.becomeFollower(this.term, 0)
    const { last } = this.log
    this.say(
      'info',
      `starts at term ${this.term} with ${describeConfiguration(this.tracker.configuration)}, ` +
        `commit ${this.log.committed}, log up to ${last.index} of term ${last.term}`,
    )
  }

  #load({ term, vote, commit }: HardState): void {
    if (term === 0 && vote === 0 && commit === 0) return
    assert(commit <= this.log.lastIndex, `stored commit ${commit} is beyond the stored log`)
    this.log.commitTo(commit)
    this.term = term
    this.vote = vote
  }

  get softState(): SoftState {
    return { lead: this.lead, role: this.role }
  }

  get hardState(): HardState {
    return { term: this.term, vote: this.vote, commit: this.log.committed }
  }

  /** May become leader: a voter that does not stand on a snapshot still to be written. */
  get isPromotable(): boolean {
    const self = this.tracker.progress.get(this.id)
    return self !== undefined && !self.isLearner && this.log.unstable.snapshot === null
  }

  /** Until then a leader does not know what is committed, and may not answer reads. */
  get hasCommittedInTerm(): boolean {
    return this.log.term(this.log.committed) === this.term
  }

  say(level: RaftLogLevel, text: string): void {
    this.#deps.log?.(level, `${this.id.toString(16)} ${text}`)
  }

  /** Queues a message, with our id and term on it, for the next Ready. */
  send(message: Message): void {
    const from = message.from === 0 ? this.id : message.from
    const isForwarded = message.kind === 'propose' || message.kind === 'read-index'
    if (hasOwnTerm(message.kind)) {
      assert(message.term !== 0, `a ${message.kind} says which term it is for`)
    } else {
      assert(message.term === 0, `the term of a ${message.kind} is not the sender's to choose`)
    }
    const term = hasOwnTerm(message.kind) || isForwarded ? message.term : this.term
    const queued = { ...message, from, term }
    if (isPromise(message.kind)) {
      this.messagesAfterAppend.push(queued)
    } else {
      assert(message.to !== this.id, `a ${message.kind} to ourselves`)
      this.messages.push(queued)
    }
  }

  becomeFollower(term: number, lead: RaftId): void {
    this.#reset(term)
    this.lead = lead
    this.role = 'follower'
    this.say('info', `became follower at term ${this.term}`)
  }

  becomeCandidate(): void {
    assert(this.role !== 'leader', 'a leader does not campaign')
    this.#reset(this.term + 1)
    this.vote = this.id
    this.role = 'candidate'
    this.say('info', `became candidate at term ${this.term}`)
  }

  /** Asks whether it would win, and changes neither term nor vote by that. */
  becomePreCandidate(): void {
    assert(this.role !== 'leader', 'a leader does not campaign')
    this.tracker.resetVotes()
    this.lead = 0
    this.role = 'pre-candidate'
    this.say('info', `became pre-candidate at term ${this.term}`)
  }

  becomeLeader(): void {
    assert(this.role !== 'follower', 'a follower campaigns before it leads')
    this.#reset(this.term)
    this.lead = this.id
    this.role = 'leader'
    const self = this.tracker.progress.get(this.id)
    assert(self !== undefined, 'a leader is a member when it is elected')
    self.becomeReplicate()
    self.isRecentlyActive = true
    // Any entry of an earlier term may be a change of membership not yet applied.
    this.pendingConfIndex = this.log.lastIndex
    const isAppended = this.appendEntries([{ kind: 'normal', data: new Uint8Array(0) }])
    assert(isAppended, 'the empty entry of a new leader is never refused')
    this.say('info', `became leader at term ${this.term}`)
  }

  #reset(term: number): void {
    if (this.term !== term) {
      this.term = term
      this.vote = 0
    }
    this.lead = 0
    this.electionElapsed = 0
    this.heartbeatElapsed = 0
    const { electionTicks } = this.options
    this.randomizedElectionTicks = electionTicks + this.#deps.random.below(electionTicks)
    this.leadTransferee = 0
    this.tracker.resetVotes()
    this.tracker.restart(this.id, this.log.lastIndex)
    this.pendingConfIndex = 0
    this.uncommittedBytes = 0
    this.reads = new ReadOnly()
    this.earlyReads = []
  }

  /** False when the uncommitted tail has no room for them. */
  appendEntries(drafts: readonly EntryDraft[]): boolean {
    const { lastIndex } = this.log
    const entries = drafts.map(({ kind, data }, at) => ({
      term: this.term,
      index: lastIndex + 1 + at,
      kind,
      data,
    }))
    if (!this.#increaseUncommitted(payloadSize(entries))) return false
    this.log.append(entries)
    // A leader counts itself only once its own write is done: this comes back with `advance`.
    this.send(makeMessage('append-response', this.id, { index: this.log.lastIndex }))
    return true
  }

  /** An empty tail takes any proposal, and an empty proposal always fits. */
  #increaseUncommitted(bytes: number): boolean {
    const after = this.uncommittedBytes + bytes
    const isOver = after > this.options.maxUncommittedBytes
    if (this.uncommittedBytes > 0 && bytes > 0 && isOver) {
      this.say('warn', 'drops a proposal: too much is uncommitted')
      return false
    }
    this.uncommittedBytes = after
    return true
  }

  /** What was appended by earlier leaders was never counted: hence not below zero. */
  reduceUncommitted(bytes: number): void {
    this.uncommittedBytes = Math.max(0, this.uncommittedBytes - bytes)
  }

  /** True when the commit index moved: then everybody should hear of it. */
  maybeCommit(): boolean {
    return this.log.maybeCommit({ term: this.term, index: this.tracker.committed() })
  }
}
