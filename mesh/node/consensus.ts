import type { NodeId } from '../base/ids.ts'
import type { ApplyResult, CatalogDelta, CatalogReader, Transaction } from '../catalog/types.ts'
import { decodeConfChange } from '../raft/conf-change.ts'
import { isPromise } from '../raft/message.ts'
import type { RaftNode } from '../raft/raft-node.ts'
import type { Entry, Message, RaftId, Ready, Snapshot, SoftState } from '../raft/types.ts'
import type { ConsensusOptions } from './consensus-options.ts'
import { Introductions } from './introductions.ts'
import { LeaderWatch } from './leader-watch.ts'
import { LogRoom } from './log-room.ts'
import { MembershipSteering } from './membership-steering.ts'
import type { LeaderView } from './mesh-node.ts'
import { openRaft } from './open-raft.ts'
import { Proposals, type LeaderSight } from './proposals.ts'
import { raftIdOf } from './raft-id.ts'
import { RaftGroup } from './raft-group.ts'
import { RaftLink } from './raft-link.ts'
import { Reads } from './reads.ts'
import { SnapshotTaker } from './snapshot-taker.ts'
import { StateMachine } from './state-machine.ts'
import { unreachableManagers } from './unreachable-managers.ts'
import { Watchers } from './watchers.ts'

const tickMs = 100
const handOverMs = 2000

/**
 * A manager's part in the agreement: drives the pure core of Raft over disk and network and applies
 * what is agreed to the catalog. Inputs step the core at once; one loop performs what it asks for,
 * and what comes in during an fsync goes out with the next one (group commit).
 */
export class Consensus {
  readonly #options: ConsensusOptions
  readonly #raftId: RaftId
  readonly #raft: RaftNode
  readonly #link: RaftLink
  readonly #introductions: Introductions
  readonly #group: RaftGroup
  readonly #state = new StateMachine()
  readonly #proposals: Proposals
  readonly #reads: Reads
  readonly #steering: MembershipSteering
  readonly #snapshots: SnapshotTaker
  readonly #room: LogRoom
  readonly #catalogWatchers = new Watchers<CatalogDelta>()
  readonly #leaderWatch = new LeaderWatch()
  readonly #stopTicks: () => void
  #soft: SoftState = { lead: 0, role: 'follower' }
  #applied = { index: 0, term: 0 }
  #isRunning = false
  /** Something came in since the loop last looked. */
  #isWanted = false
  #isStopped = false
  #loop: Promise<void> = Promise.resolve()

  constructor(options: ConsensusOptions) {
    const { storage, transport, clock } = options
    this.#options = options
    this.#raftId = options.raftId ?? raftIdOf(options.self)
    this.#group = new RaftGroup(
      { ...options, raftId: this.#raftId, catalog: () => this.#state.catalog },
      storage.initialState().confState,
    )
    this.#restore(storage.snapshot())
    this.#raft = openRaft(options, this.#raftId, this.#applied.index)
    this.#introductions = new Introductions({
      ...options,
      isManager: (node) => this.#group.isManager(node),
      appliedIndex: () => this.#applied.index,
    })
    this.#link = new RaftLink({
      ...options,
      raftId: this.#raftId,
      isAdmitted: (node) => this.#isAdmitted(node),
      isIdOf: (node, id) => this.#group.peers.isIdOf(node, id),
      onMessage: (from, message) => this.#receive(from, message),
      onOutcome: (message, isSent) => this.#sendingEnded(message, isSent),
    })
    this.#steering = new MembershipSteering({
      raft: this.#raft,
      peers: this.#group.peers,
      policy: options.policy,
      catalog: () => this.#state.catalog,
    })
    this.#snapshots = new SnapshotTaker({
      storage,
      raftId: this.#raftId,
      everyEntries: options.snapshotEveryEntries,
      logBytesMax: options.logBytesMax,
      onWritten: () => this.#kick(),
      onFailed: (error) => this.#fail(error),
    })
    this.#room = new LogRoom({
      ...options,
      room: () => storage.room(),
      onLow: () => void this.handOver(),
    })
    this.#proposals = this.#openProposals()
    this.#reads = this.#openReads()
    transport.onConnection((node, event) => this.#connectionChanged(node, event))
    this.#stopTicks = clock.every(tickMs, () => this.#tick())
    this.#kick()
  }

  #openProposals(): Proposals {
    return new Proposals({
      ...this.#options,
      leader: () => this.#sight(),
      refuseUnreadable: (data) => this.#state.refuseUnreadable(data),
      append: (data) => this.#raft.proposeAll(data) === 'ok',
      onWaiting: () => this.#kick(),
      appliedIndex: () => this.#applied.index,
      resultOf: (request) => this.#state.catalog.parts.requests.resultOf(request),
      isManager: (node) => this.#group.isManager(node),
      refusal: () => this.#room.refusal(),
      unreachable: () => unreachableManagers(this.#options, this.#state.catalog),
    })
  }

  #openReads(): Reads {
    const { clock, random } = this.#options
    return new Reads({
      clock,
      raftId: this.#raftId,
      boot: random.below(2 ** 32),
      ask: (context) => this.#raft.readIndex(context),
      appliedIndex: () => this.#applied.index,
      standstill: () => this.#room.standstill(),
      unreachable: () => unreachableManagers(this.#options, this.#state.catalog),
    })
  }

  /** Applied here when it resolves; see `ConsensusFault` for how it rejects. */
  propose(transaction: Transaction): Promise<ApplyResult> {
    return this.#proposals.submit(transaction)
  }

  /** When it resolves, listeners have seen every write that was acknowledged before the call. */
  barrier(): Promise<void> {
    const passed = this.#reads.barrier()
    this.#kick()
    return passed
  }

  catalog(): CatalogReader {
    return this.#state.catalog
  }

  watchCatalog(listener: (delta: CatalogDelta) => void): () => void {
    const hear = (deltas: readonly CatalogDelta[]): void => deltas.forEach((one) => listener(one))
    return this.#catalogWatchers.add(hear, () => [this.#state.toDelta()])
  }

  /** A leader is heard, of a cluster that still counts on this node. */
  isInTouch(): boolean {
    return this.leader().leader !== null && !this.#introductions.isForsaken
  }

  leader(): LeaderView {
    return this.#leaderWatch.view
  }

  /** First the view of this moment, then each other one. */
  watchLeader(listener: (view: LeaderView) => void): () => void {
    return this.#leaderWatch.watch(listener)
  }

  /** Whether Raft counts this node, as voter or learner; a manager is removed from it after demotion. */
  isRaftMember(node: NodeId): boolean {
    return this.#group.has(node)
  }

  /** The nodes whose votes count now. */
  voters(): readonly NodeId[] {
    return this.#group.voters()
  }

  /** Gives leadership away; resolves when another leads, when there is nobody to take it, or after 2 s. */
  async handOver(): Promise<void> {
    if (this.#soft.role !== 'leader') return
    const successor = this.#steering.successor()
    if (successor === null) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#options.clock.after(handOverMs, resolve)
    const unwatch = this.watchLeader(({ leader, isSelf }) => {
      if (leader !== null && !isSelf) resolve()
    })
    this.#raft.transferLeader(successor)
    this.#kick()
    await promise
    cancel()
    unwatch()
  }

  /** Ends at once; whatever is under way is told that its outcome is unknown. */
  async stop(): Promise<void> {
    if (this.#isStopped) return
    this.#end()
    await this.#loop
    await this.#options.storage.close()
  }

  #end(): void {
    this.#isStopped = true
    this.#stopTicks()
    this.#room.stop()
    this.#introductions.stop()
    this.#link.stop()
    this.#proposals.stop()
    this.#reads.stop()
  }

  #tick(): void {
    this.#raft.tick()
    this.#campaignWhenAlone()
    this.#proposals.review()
    this.#reads.tick()
    if (this.#leaderWatch.view.isSelf) this.#steering.steer()
    this.#kick()
  }

  /** Nobody else could be elected: no reason to wait for silence. */
  #campaignWhenAlone(): void {
    if (this.#group.isAlone && this.#soft.role === 'follower') this.#raft.campaign()
  }

  #receive(from: NodeId, message: Message): void {
    if (this.#isStopped) return
    this.#group.peers.learn(from)
    this.#raft.step(message)
    this.#kick()
  }

  /** Members that the catalog demotes are heard until Raft has let them go: their votes are needed for that. */
  #isAdmitted(node: NodeId): boolean {
    if (this.#applied.index === 0 || this.isRaftMember(node)) return true
    if (this.#group.isManager(node) || this.#introductions.isIntroduced(node)) return true
    this.#introductions.askAbout(node)
    return false
  }

  #connectionChanged(node: NodeId, event: 'up' | 'down' | 'refused'): void {
    if (this.#isStopped) return
    if (event === 'up') this.#proposals.review()
    else this.#group.idsOf(node).forEach((id) => this.#raft.reportUnreachable(id))
    this.#kick()
  }

  #kick(): void {
    this.#isWanted = true
    if (this.#isRunning || this.#isStopped) return
    this.#isRunning = true
    this.#loop = this.#run()
  }

  async #run(): Promise<void> {
    // What else this turn of the event loop brings is part of the same batch.
    await Promise.resolve()
    try {
      while (this.#isWanted && !this.#isStopped) {
        this.#isWanted = false
        if (await this.#turn()) this.#isWanted = true
      }
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#isRunning = false
    }
  }

  #fail(error: unknown): void {
    if (this.#isStopped) return
    this.#end()
    this.#options.fatal(error instanceof Error ? error : new Error(String(error)))
  }

  /** One Ready from beginning to end; false when there was none. The order is the durability rule. */
  async #turn(): Promise<boolean> {
    await this.#adoptSnapshot()
    this.#proposals.appendWaiting()
    this.#reads.askIfNeeded()
    if (!this.#raft.hasReady()) return false
    const ready = this.#raft.ready()
    this.#noteSoftState(ready.softState)
    // Followers may write at the same time as their leader; nothing of this depends on our disk.
    this.#sendAll(ready.messages.filter(({ kind }) => !isPromise(kind)))
    await this.#persist(ready)
    if (this.#isStopped) return false
    this.#sendAll(ready.messages.filter(({ kind }) => isPromise(kind)))
    if (ready.snapshot !== null) this.#install(ready.snapshot)
    for (const entry of ready.committed) this.#apply(entry)
    this.#reads.answered(ready.readStates)
    this.#raft.advance()
    this.#reads.release()
    this.#showLeader()
    const meta = { ...this.#applied, confState: this.#group.confState }
    this.#snapshots.takeWhenDue(meta, () => this.#state.encode(this.#group.peers.known()))
    return true
  }

  async #persist(ready: Ready): Promise<void> {
    const { hardState, entries, snapshot } = ready
    if (hardState === null && entries.length === 0 && snapshot === null) return
    await this.#room.write(() => this.#options.storage.save(ready))
  }

  #sendAll(messages: readonly Message[]): void {
    for (const message of messages) {
      const node = this.#group.nodeOf(message.to)
      if (node === null) this.#sendingEnded(message, false)
      else this.#link.send(node, message)
    }
  }

  #sendingEnded({ kind, to }: Message, isSent: boolean): void {
    if (this.#isStopped) return
    if (kind === 'snapshot') this.#raft.reportSnapshot(to, isSent)
    else if (!isSent) this.#raft.reportUnreachable(to)
    this.#kick()
  }

  #restore(snapshot: Snapshot | null): void {
    if (snapshot === null) return
    const { index, term, confState } = snapshot.meta
    for (const peer of this.#state.restore(snapshot.data)) this.#group.peers.learn(peer)
    this.#group.confState = confState
    this.#applied = { index, term }
  }

  #install(snapshot: Snapshot): void {
    this.#restore(snapshot)
    this.#tellCatalog(this.#state.toDelta())
    this.#proposals.review()
  }

  #apply(entry: Entry): void {
    this.#applied = { index: entry.index, term: entry.term }
    const change = decodeConfChange(entry)
    if (change !== null) {
      this.#group.confState = this.#raft.applyConfChange(change)
      this.#group.peers.learnFrom(change.context)
      this.#options.log.info({ ...this.#group.confState }, 'raft members changed')
    }
    const { delta, outcome } = this.#state.apply(entry)
    this.#tellCatalog(delta)
    if (outcome !== null) this.#proposals.applied(outcome.request, outcome.result)
  }

  #tellCatalog(delta: CatalogDelta): void {
    this.#catalogWatchers.tell([delta])
  }

  #noteSoftState(soft: SoftState | null): void {
    if (soft === null) return
    this.#soft = soft
    this.#showLeader()
    this.#proposals.review()
  }

  /** A leader shows itself once its catalog holds all that was agreed before its time. */
  #showLeader(): void {
    const { term } = this.#raft
    const isSelf = this.#soft.role === 'leader' && this.#applied.term === term
    const other = this.#soft.lead === this.#raftId ? null : this.#group.nodeOf(this.#soft.lead)
    const leader = isSelf ? this.#options.self : other
    const isNew = this.#leaderWatch.show({ leader, isSelf, term })
    if (isNew) this.#options.log.info({ leader, term }, 'leader changed')
  }

  #sight(): LeaderSight {
    if (this.#isStopped) return { kind: 'none' }
    if (this.#soft.role === 'leader') return { kind: 'self', term: this.#raft.term }
    const node = this.#group.nodeOf(this.#soft.lead)
    return node === null ? { kind: 'none' } : { kind: 'other', node }
  }

  async #adoptSnapshot(): Promise<void> {
    const adopted = await this.#room.write(() => this.#snapshots.adopt())
    if (adopted !== null) this.#options.log.info({ index: adopted.index }, 'snapshot taken')
  }
}
