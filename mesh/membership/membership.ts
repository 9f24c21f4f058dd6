import { assert, unreachable } from '../base/assert.ts'
import type { NodeId } from '../base/ids.ts'
import type { Random } from '../base/random.ts'
import { BanList } from './ban-list.ts'
import { Conversation } from './conversation.ts'
import { LocalHealth } from './local-health.ts'
import { memberOf, rumourOf, MemberTable, type MemberEntry } from './member-table.ts'
import type { Effect, Input, Rumour, Seed, Sender } from './message.ts'
import type { MembershipOptions } from './options.ts'
import { Outbox, recipientOf, type Recipient, type Sizes } from './outbox.ts'
import { Prober } from './prober.ts'
import { retransmitLimit } from './retransmit-limit.ts'
import { RumourMill } from './rumour-mill.ts'
import { RumourQueue } from './rumour-queue.ts'
import { suspicionMinMs, suspicionTimeoutMs } from './suspicion.ts'
import {
  differenceTo,
  digestOf,
  fingerprintOf,
  type Difference,
  type Held,
} from './table-exchange.ts'
import type { Member, MemberMeta } from './types.ts'

export interface MembershipDeps {
  readonly self: NodeId
  readonly meta: MemberMeta
  /** Higher than in any earlier life, such as the wall clock at start: refutes our own last death. */
  readonly incarnation: number
  readonly random: Random
  readonly sizes: Sizes
  readonly options: MembershipOptions
}

/**
 * SWIM with Lifeguard: who is alive, suspect or dead, found out by pings and spread by rumours that
 * ride on them. Inputs go in with the time of a clock that never goes back; effects come out.
 */
export class Membership {
  readonly #self: NodeId
  readonly #random: Random
  readonly #options: MembershipOptions
  readonly #table: MemberTable
  readonly #rumours: RumourQueue
  readonly #banned: BanList
  readonly #health: LocalHealth
  readonly #outbox: Outbox
  readonly #prober: Prober
  readonly #mill: RumourMill
  readonly #conversation: Conversation
  #isLeaving = false
  #lastTickMs: number | null = null
  #nextProbeMs = 0
  #nextWatchMs = 0
  #nextGossipMs = 0
  #nextReconnectMs = 0

  constructor({ self, meta, incarnation, random, sizes, options }: MembershipDeps) {
    this.#self = self
    this.#random = random
    this.#options = options
    this.#table = new MemberTable(options.maxMembers)
    this.#rumours = new RumourQueue(options.maxRumours, (rumour) => sizes.rumourBytes(rumour))
    this.#banned = new BanList(options.maxBanned)
    this.#health = new LocalHealth(options.healthLevels, options.probeTimeoutMs)
    this.#outbox = new Outbox({
      sender: () => this.#sender(),
      rumours: this.#rumours,
      sizes,
      maxPayloadBytes: options.maxPayloadBytes,
      retransmitLimit: () => retransmitLimit(options.retransmitMult, this.#table.presentCount),
    })
    const shared = { self, table: this.#table, outbox: this.#outbox, random, options }
    this.#prober = new Prober({ ...shared, health: this.#health })
    this.#mill = new RumourMill({
      ...shared,
      rumours: this.#rumours,
      banned: this.#banned,
      onAccused: () => this.#health.worsen(1),
      onLookalike: (address) => this.#conversation.challenge(address),
    })
    this.#conversation = new Conversation({
      ...shared,
      banned: this.#banned,
      prober: this.#prober,
      mill: this.#mill,
    })
    this.#mill.announce(meta, incarnation)
    // Nobody waits for effects yet; whoever watches begins with `members()`.
    this.#outbox.take()
  }

  /** Everybody known, oneself included, in no order. */
  members(): Member[] {
    return this.#table.all().map(memberOf)
  }

  /** What we hold, in short; the same wherever the same is held. */
  get fingerprint(): number {
    return fingerprintOf(this.#table)
  }

  digest(): readonly Held[] {
    return digestOf(this.#table)
  }

  /** What we know better than whoever sent this, and where it knows better. */
  differenceTo(digest: readonly Held[]): Difference {
    return differenceTo(digest, { table: this.#table, self: this.#self })
  }

  /** What we hold of these members, as news to whoever wants it. */
  newsOf(nodes: readonly NodeId[]): readonly Rumour[] {
    const entries = nodes.map((node) => this.#table.get(node))
    return entries
      .filter((entry) => entry !== undefined)
      .map((entry) => rumourOf(entry, this.#self))
  }

  /** Lifeguard's score of ourselves; 0 is well. */
  get health(): number {
    return this.#health.score
  }

  /** `nowMs` is monotonic; a tick is due every 100 ms at the latest. */
  step(input: Input, nowMs: number): Effect[] {
    switch (input.kind) {
      case 'tick':
        this.#tick(nowMs)
        break
      case 'packet':
      case 'frame':
        this.#conversation.receive(input.message, wayBack(input), nowMs)
        break
      case 'news':
        for (const rumour of input.rumours) this.#mill.hear(rumour, nowMs)
        this.#mill.takeRefuted()
        break
      case 'connection':
        this.#connection(input.node, input.event, nowMs)
        break
      case 'join':
        this.#join(input.seeds, nowMs)
        break
      case 'challenge':
        this.#conversation.challenge(input.address)
        break
      case 'leave':
        this.#leave(nowMs)
        break
      case 'update-meta':
        this.#mill.announce(input.meta, this.#selfEntry().incarnation + 1)
        break
      case 'event-loop-delay':
        this.#health.stalled(input.delayMs)
        break
      case 'forget':
        this.#forget(input.node, nowMs)
        break
      default:
        return unreachable(input)
    }
    return this.#outbox.take()
  }

  #tick(nowMs: number): void {
    this.#forgiveStall(nowMs)
    if (!this.#isLeaving) {
      for (const entry of this.#prober.tick(nowMs)) this.#probeFailed(entry, nowMs)
      this.#tickSuspects(nowMs)
      this.#tickProbes(nowMs)
      this.#tickWatch(nowMs)
      this.#tickReconnects(nowMs)
    }
    this.#tickGossip(nowMs)
  }

  /** Acks may lie unread in the socket after a pause: nobody is accused for our own standstill. */
  #forgiveStall(nowMs: number): void {
    const stallMs = this.#lastTickMs === null ? 0 : nowMs - this.#lastTickMs
    this.#lastTickMs = nowMs
    if (stallMs <= this.#options.stallToleranceMs) return
    this.#prober.shift(stallMs)
    for (const suspect of this.#table.inState('suspect')) suspect.sinceMs += stallMs
  }

  #tickProbes(nowMs: number): void {
    if (nowMs < this.#nextProbeMs) return
    const isFirst = this.#nextProbeMs === 0
    const periodMs = this.#health.stretch(this.#options.probePeriodMs)
    // Nodes that start together must not probe together.
    this.#nextProbeMs = nowMs + (isFirst ? 1 + this.#random.below(periodMs) : periodMs)
    const target = this.#longestUnheard()
    if (target === null) this.#health.improve()
    else this.#prober.start(target, nowMs)
    // In the middle between two probes.
    this.#nextWatchMs = nowMs + periodMs / 2
  }

  /**
   * Besides the round robin, every member watches the next one in the order of ids: chance alone
   * leaves some member of a large cluster unobserved for longer than its failure may take.
   */
  #tickWatch(nowMs: number): void {
    if (nowMs < this.#nextWatchMs) return
    this.#nextWatchMs = Number.POSITIVE_INFINITY
    let next: MemberEntry | null = null
    let first: MemberEntry | null = null
    for (const entry of this.#table.inState('alive')) {
      if (entry.id === this.#self) continue
      if (first === null || entry.id < first.id) first = entry
      if (entry.id > this.#self && (next === null || entry.id < next.id)) next = entry
    }
    const watched = next ?? first
    if (watched !== null) this.#prober.start(watched, nowMs)
  }

  /**
   * Whom we heard of least recently, drawn among equals. It is a round robin in which members that
   * probed us, and are well, have had their turn: so every member is looked at more evenly in time.
   */
  #longestUnheard(): MemberEntry | null {
    let oldest: MemberEntry[] = []
    for (const entry of this.#table.inState('alive')) {
      if (entry.id === this.#self || this.#prober.isProbing(entry.id)) continue
      const [best] = oldest
      if (best === undefined || entry.heardMs < best.heardMs) oldest = [entry]
      else if (entry.heardMs === best.heardMs) oldest.push(entry)
    }
    if (oldest.length === 0) return null
    return oldest[this.#random.below(oldest.length)] ?? null
  }

  #tickSuspects(nowMs: number): void {
    for (const suspect of this.#table.inState('suspect')) {
      if (nowMs >= suspect.sinceMs + this.#suspicionMs(suspect)) {
        const { id: node, incarnation } = suspect
        this.#mill.hear({ kind: 'dead', node, incarnation, by: this.#self }, nowMs)
        this.#prober.cancel(node)
        continue
      }
      if (nowMs < suspect.lookAgainMs || this.#prober.isProbing(suspect.id)) continue
      suspect.lookAgainMs = nowMs + this.#mill.lookPeriodMs()
      this.#prober.start(suspect, nowMs)
    }
  }

  #suspicionMs(suspect: MemberEntry): number {
    const { suspicionMult, suspicionMaxMult, probePeriodMs, confirmationsWanted } = this.#options
    if (suspect.isPingLost && suspect.isRedialRefused) return this.#options.refusedSuspicionMs
    const members = this.#table.presentCount
    const minMs = suspicionMinMs({ mult: suspicionMult, probePeriodMs, members })
    const others = this.#table.inState('alive').length - 1
    return suspicionTimeoutMs({
      confirmations: Math.max(0, suspect.accusers.size - 1),
      confirmationsNeeded: Math.min(confirmationsWanted, Math.max(0, others)),
      minMs,
      maxMs: minMs * suspicionMaxMult,
    })
  }

  #probeFailed(entry: MemberEntry, nowMs: number): void {
    if (entry.state !== 'alive' && entry.state !== 'suspect') return
    const { id: node, incarnation } = entry
    this.#mill.hear({ kind: 'suspect', node, incarnation, by: this.#self }, nowMs)
  }

  #tickGossip(nowMs: number): void {
    if (this.#rumours.length === 0) return
    if (nowMs < this.#nextGossipMs && !this.#rumours.hasNews) return
    this.#nextGossipMs = nowMs + this.#options.gossipPeriodMs
    this.#gossip([])
  }

  #gossip(first: readonly Rumour[]): void {
    for (const peer of this.#table.pick(this.#options.gossipFanout, [this.#self], this.#random)) {
      this.#outbox.send(recipientOf(peer), { kind: 'gossip' }, first)
    }
  }

  #tickReconnects(nowMs: number): void {
    if (nowMs < this.#nextReconnectMs) return
    const periodMs = this.#options.reconnectPeriodMs
    this.#nextReconnectMs = nowMs + periodMs / 2 + this.#random.below(periodMs)
    const gone = this.#table.inState('dead', 'left')
    const one = gone.length === 0 ? undefined : gone[this.#random.below(gone.length)]
    if (one !== undefined) this.#prober.knock(one)
  }

  #connection(node: NodeId, event: 'up' | 'down' | 'refused', nowMs: number): void {
    const entry = this.#table.get(node)
    if (entry === undefined || node === this.#self || this.#isLeaving) return
    const isGone = entry.state === 'dead' || entry.state === 'left'
    if (event === 'up') {
      entry.isRedialRefused = false
      if (isGone) this.#prober.knock(entry)
      return
    }
    if (isGone) return
    if (event === 'refused') entry.isRedialRefused = true
    this.#prober.start(entry, nowMs)
  }

  #join(seeds: readonly Seed[], nowMs: number): void {
    for (const { id, meta } of seeds) {
      this.#banned.lift(id)
      if (id !== this.#self)
        this.#mill.hear({ kind: 'alive', node: id, incarnation: 0, meta }, nowMs)
    }
  }

  #leave(nowMs: number): void {
    if (this.#isLeaving) return
    this.#isLeaving = true
    const { incarnation } = this.#mill.leave(nowMs)
    this.#gossip([{ kind: 'left', node: this.#self, incarnation }])
  }

  #forget(node: NodeId, nowMs: number): void {
    if (node === this.#self) return
    this.#banned.add(node)
    this.#rumours.dropAbout(node)
    this.#prober.cancel(node)
    const entry = this.#table.get(node)
    if (entry === undefined) return
    this.#table.remove(node)
    entry.state = 'left'
    entry.sinceMs = nowMs
    this.#outbox.changed(entry)
  }

  #sender(): Sender {
    const { id, incarnation, meta } = this.#selfEntry()
    return { id, incarnation, meta, health: this.#health.score }
  }

  #selfEntry(): MemberEntry {
    const entry = this.#table.get(this.#self)
    assert(entry !== undefined, 'a member knows itself')
    return entry
  }
}

const wayBack = (input: Extract<Input, { readonly kind: 'packet' | 'frame' }>): Recipient => {
  const member = input.message.sender.id
  return input.kind === 'frame'
    ? { over: 'stream', member }
    : { over: 'datagram', address: input.from, member }
}
