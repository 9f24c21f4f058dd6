import { assert } from '../base/assert.ts'
import { encodeConfChange } from './conf-change.ts'
import { isJoint } from './configuration.ts'
import { entriesSize, payloadSize } from './entry-size.ts'
import { isLocalKind, isResponseKind, makeMessage, noBytes } from './message.ts'
import type { EntryId } from './raft-log.ts'
import type { RaftOptions } from './raft-options.ts'
import type { RaftStatus } from './raft-status.ts'
import { Raft, type EntryDraft, type RaftDeps } from './raft.ts'
import { applyConfChange } from './reconfiguration.ts'
import { describeRaft } from './describe-raft.ts'
import { step, type StepResult } from './step.ts'
import { tick } from './tick.ts'
import type {
  ConfChange,
  ConfState,
  Entry,
  HardState,
  Message,
  RaftId,
  Ready,
  SoftState,
} from './types.ts'

/** `local-message`: a kind that no other node may send. `unknown-peer`: an answer of no member. */
export type StepRefusal = 'local-message' | 'unknown-peer'

/** What became true when the caller had done the work of a Ready. */
interface Accepted {
  /** Our own votes and acknowledgements, which count now. */
  readonly toSelf: readonly Message[]
  /** The end of the log as it was written, and in which term that was. */
  readonly stable: { readonly term: number; readonly last: EntryId } | null
  readonly snapshotIndex: number | null
  readonly applied: readonly Entry[]
}

/**
 * One member of a Raft group, pure: inputs go in by methods, and what they ask of the world comes
 * out of `ready()`. The caller performs a Ready in the order that its type says, calls
 * `applyConfChange` for each committed change of membership, then `advance()`; only then may it
 * take the next Ready. Other inputs may come in between.
 */
export class RaftNode {
  readonly #raft: Raft
  #previousSoftState: SoftState
  #previousHardState: HardState
  #accepted: Accepted | null = null

  constructor(options: RaftOptions, deps: RaftDeps) {
    this.#raft = new Raft(options, deps)
    this.#previousSoftState = this.#raft.softState
    this.#previousHardState = this.#raft.hardState
  }

  tick(): void {
    tick(this.#raft)
  }

  /** A message from the network. */
  step(message: Message): StepResult | StepRefusal {
    if (isLocalKind(message.kind)) return 'local-message'
    if (isResponseKind(message.kind) && !this.#raft.tracker.progress.has(message.from)) {
      return 'unknown-peer'
    }
    return step(this.#raft, message)
  }

  /** Starts an election now, without waiting for silence. */
  campaign(): void {
    this.#stepLocal('hup')
  }

  /** `ok` promises nothing yet: the entry is in the log of a leader, or on its way to one. */
  propose(data: Uint8Array): StepResult {
    return this.#propose([{ kind: 'normal', data }])
  }

  /** One entry each, in this order; they travel together, and all are taken or none. */
  proposeAll(data: readonly Uint8Array[]): StepResult {
    return this.#propose(data.map((each) => ({ kind: 'normal', data: each })))
  }

  /** One at a time: a change proposed before the last one is applied becomes an empty entry. */
  proposeConfChange(change: ConfChange): StepResult {
    return this.#propose([{ kind: 'conf-change-v2', data: encodeConfChange(change) }])
  }

  /** To be called for every committed change of membership, when it is applied. */
  applyConfChange(change: ConfChange): ConfState {
    return applyConfChange(this.#raft, change)
  }

  /** The answer comes as a read state with this context, or never: the caller asks again. */
  readIndex(context: Uint8Array): void {
    this.#stepLocal('read-index', { context })
  }

  transferLeader(to: RaftId): void {
    this.#stepLocal('transfer-leader', { from: to })
  }

  /** For transcripts and simulations: campaign after so many silent ticks, until the role changes. */
  overrideElectionTicks(ticks: number): void {
    this.#raft.randomizedElectionTicks = ticks
  }

  reportUnreachable(id: RaftId): void {
    this.#stepLocal('unreachable', { from: id })
  }

  /** How the sending of a snapshot message ended; until then the peer gets nothing else. */
  reportSnapshot(id: RaftId, isOk: boolean): void {
    this.#stepLocal('snapshot-status', { from: id, reject: !isOk })
  }

  get term(): number {
    return this.#raft.term
  }

  status(): RaftStatus {
    return describeRaft(this.#raft)
  }

  hasReady(): boolean {
    const { log, messages, messagesAfterAppend, readStates } = this.#raft
    return (
      this.#hasNewSoftState() ||
      this.#hasNewHardState() ||
      log.unstable.nextSnapshot !== null ||
      messages.length > 0 ||
      messagesAfterAppend.length > 0 ||
      log.unstable.hasNextEntries ||
      log.hasNextCommitted ||
      readStates.length > 0
    )
  }

  ready(): Ready {
    assert(this.#accepted === null, 'the last Ready must be advanced before the next one')
    const raft = this.#raft
    const { log, hardState, softState } = raft
    const entries = log.unstable.nextEntries
    const previous = this.#previousHardState
    const ready: Ready = {
      softState: this.#hasNewSoftState() ? softState : null,
      hardState: this.#hasNewHardState() ? hardState : null,
      entries,
      snapshot: log.unstable.nextSnapshot,
      committed: log.nextCommitted(),
      messages: [
        ...raft.messages,
        ...raft.messagesAfterAppend.filter((message) => message.to !== raft.id),
      ],
      readStates: raft.readStates,
      mustSync:
        entries.length > 0 || hardState.vote !== previous.vote || hardState.term !== previous.term,
    }
    this.#accept(ready)
    return ready
  }

  /** The last Ready has been performed. */
  advance(): void {
    assert(this.#accepted !== null, 'there is no Ready to advance')
    const { toSelf, stable, snapshotIndex, applied } = this.#accepted
    this.#accepted = null
    const raft = this.#raft
    for (const message of toSelf) step(raft, message)
    // In a later term those entries may have been replaced since: they are written again.
    if (stable !== null && stable.term === raft.term) {
      raft.log.unstable.stableTo(stable.last.index, stable.last.term)
    }
    if (snapshotIndex !== null) {
      raft.log.unstable.stableSnapshotTo(snapshotIndex)
      this.#appliedTo(snapshotIndex, 0)
    }
    const last = applied.at(-1)
    if (last === undefined) return
    this.#appliedTo(last.index, entriesSize(applied))
    raft.reduceUncommitted(payloadSize(applied))
  }

  #accept(ready: Ready): void {
    const raft = this.#raft
    const { unstable } = raft.log
    this.#previousSoftState = ready.softState ?? this.#previousSoftState
    this.#previousHardState = ready.hardState ?? this.#previousHardState
    this.#accepted = {
      toSelf: raft.messagesAfterAppend.filter((message) => message.to === raft.id),
      stable: unstable.hasEntries ? { term: raft.term, last: raft.log.last } : null,
      snapshotIndex: ready.snapshot?.meta.index ?? null,
      applied: ready.committed,
    }
    raft.messages = []
    raft.messagesAfterAppend = []
    raft.readStates = []
    unstable.acceptInProgress()
    raft.log.acceptApplying(ready.committed)
  }

  #appliedTo(index: number, bytes: number): void {
    const raft = this.#raft
    const applied = Math.max(index, raft.log.applied)
    raft.log.appliedTo(applied, bytes)
    const { configuration } = raft.tracker
    if (!configuration.autoLeave || !isJoint(configuration) || raft.role !== 'leader') return
    if (applied < raft.pendingConfIndex) return
    // Of no size, so that nothing but a transfer of leadership can drop it; the next applied entry
    // tries again.
    this.#propose([{ kind: 'conf-change-v2', data: noBytes }])
  }

  #propose(drafts: readonly EntryDraft[]): StepResult {
    const { id } = this.#raft
    const entries = drafts.map((draft) => ({ term: 0, index: 0, ...draft }))
    return step(this.#raft, makeMessage('propose', 0, { from: id, entries }))
  }

  #stepLocal(kind: Message['kind'], fields: Partial<Omit<Message, 'kind' | 'to'>> = {}): void {
    step(this.#raft, makeMessage(kind, 0, fields))
  }

  #hasNewSoftState(): boolean {
    const { lead, role } = this.#raft
    return lead !== this.#previousSoftState.lead || role !== this.#previousSoftState.role
  }

  #hasNewHardState(): boolean {
    const { term, vote, commit } = this.#raft.hardState
    const previous = this.#previousHardState
    return term !== previous.term || vote !== previous.vote || commit !== previous.commit
  }
}
