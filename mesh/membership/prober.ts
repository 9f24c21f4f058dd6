import type { NodeId } from '../base/ids.ts'
import type { Random } from '../base/random.ts'
import type { LocalHealth } from './local-health.ts'
import { accusationOf, type MemberEntry, type MemberTable } from './member-table.ts'
import type { Rumour } from './message.ts'
import type { MembershipOptions } from './options.ts'
import { byDatagram, byStream, type Outbox, type Recipient } from './outbox.ts'

export interface ProberDeps {
  readonly self: NodeId
  readonly table: MemberTable
  readonly outbox: Outbox
  readonly health: LocalHealth
  readonly random: Random
  readonly options: MembershipOptions
}

interface Probe {
  readonly seq: number
  readonly target: NodeId
  directUntilMs: number
  endsAtMs: number
  isIndirect: boolean
  /** The stream answered: the target lives, whatever becomes of packets. */
  isHeardByStream: boolean
  /** Relays that were asked, and those that said they failed, too: we are not deaf, then. */
  asked: number
  nacks: number
}

/** A ping that we do for another node. */
interface Relay {
  readonly seq: number
  readonly target: NodeId
  readonly asker: Recipient
  readonly askerSeq: number
  nackAtMs: number
  endsAtMs: number
  isNacked: boolean
}

const maxSeq = 2 ** 32

/** An answer to a ping. */
export interface Ack {
  readonly seq: number
  /** Who answered, and who passes the answer on. */
  readonly subject: NodeId
  readonly sender: NodeId
  readonly over: 'datagram' | 'stream'
}

/**
 * The life of a probe: a direct ping, then the same through others and over the stream, then
 * failure.
 */
export class Prober {
  readonly #deps: ProberDeps
  readonly #probes = new Map<NodeId, Probe>()
  readonly #relays = new Map<number, Relay>()
  #seq: number

  constructor(deps: ProberDeps) {
    this.#deps = deps
    // A late answer to the process that had this address before must not pass for one to us.
    this.#seq = deps.random.below(maxSeq)
  }

  isProbing(target: NodeId): boolean {
    return this.#probes.has(target)
  }

  /** Does nothing when it is being probed already, or when too many probes are under way. */
  start(entry: MemberEntry, nowMs: number): void {
    const { options, health } = this.#deps
    if (this.#probes.has(entry.id) || this.#probes.size >= options.maxProbes) return
    const seq = this.#nextSeq()
    this.#probes.set(entry.id, {
      seq,
      target: entry.id,
      directUntilMs: nowMs + health.stretch(options.probeTimeoutMs),
      endsAtMs: nowMs + health.stretch(options.probePeriodMs),
      isIndirect: false,
      isHeardByStream: false,
      asked: 0,
      nacks: 0,
    })
    // Both: the packet finds out when the way is free again.
    this.#ping(entry, seq, byDatagram(entry))
    if (entry.isUdpBlocked) this.#ping(entry, seq, byStream(entry))
  }

  /** One ping outside of any probe, answered with news if it is: what we say to the dead. */
  knock(entry: MemberEntry): void {
    const seq = this.#nextSeq()
    this.#ping(entry, seq, byDatagram(entry))
    this.#ping(entry, seq, byStream(entry))
  }

  cancel(target: NodeId): void {
    this.#probes.delete(target)
  }

  /** This process stood still for so long: whatever it waited for gets the time again. */
  shift(byMs: number): void {
    for (const probe of this.#probes.values()) {
      probe.directUntilMs += byMs
      probe.endsAtMs += byMs
    }
    for (const relay of this.#relays.values()) {
      relay.nackAtMs += byMs
      relay.endsAtMs += byMs
    }
  }

  /** Members whose probe failed by now. */
  tick(nowMs: number): MemberEntry[] {
    this.#tickRelays(nowMs)
    const failed: MemberEntry[] = []
    for (const probe of this.#probes.values()) {
      const entry = this.#deps.table.get(probe.target)
      if (entry === undefined) this.#probes.delete(probe.target)
      else if (this.#hasFailed(probe, entry, nowMs)) failed.push(entry)
      else if (!probe.isIndirect && nowMs >= probe.directUntilMs) this.#askOthers(probe, entry)
    }
    return failed
  }

  /** Who is proved to live by this answer; null when nobody waits for it. */
  acked({ seq, subject, sender, over }: Ack): MemberEntry | null {
    const entry = this.#deps.table.get(subject)
    if (entry === undefined) return null
    const relay = this.#relays.get(seq)
    if (relay?.target === subject) return this.#passOn(relay, entry)
    const probe = this.#probes.get(subject)
    if (probe?.seq !== seq) return null
    if (over === 'stream') {
      // A packet may still come: that it does not is worth knowing.
      probe.isHeardByStream = true
      return entry
    }
    this.#end(probe, entry)
    if (sender === subject) this.#packetCame(entry)
    return entry
  }

  nacked(seq: number, subject: NodeId): void {
    const probe = this.#probes.get(subject)
    if (probe?.seq === seq && probe.nacks < probe.asked) probe.nacks++
  }

  /** Somebody asks us to ping in its stead. */
  relay(
    asker: Recipient,
    asked: { seq: number; target: NodeId; address: string },
    nowMs: number,
  ): void {
    const { table, options, outbox } = this.#deps
    if (this.#relays.size >= options.maxProbes) return
    const seq = this.#nextSeq()
    this.#relays.set(seq, {
      seq,
      target: asked.target,
      asker,
      askerSeq: asked.seq,
      nackAtMs: nowMs + options.nackAfterMs,
      endsAtMs: nowMs + options.probePeriodMs * options.healthLevels,
      isNacked: false,
    })
    const entry = table.get(asked.target)
    if (entry !== undefined) return this.#ping(entry, seq, byDatagram(entry))
    const to = { over: 'datagram', address: asked.address, member: asked.target } as const
    outbox.send(to, { kind: 'ping', seq, target: asked.target })
  }

  /** Asks whoever has that address whether it is us. */
  challenge(address: string): number {
    const { outbox, self } = this.#deps
    const seq = this.#nextSeq()
    const to = { over: 'datagram', address, member: self } as const
    outbox.send(to, { kind: 'ping', seq, target: self })
    return seq
  }

  #ping(entry: MemberEntry, seq: number, to: Recipient): void {
    const body = { kind: 'ping', seq, target: entry.id } as const
    this.#deps.outbox.send(to, body, this.#accusations(entry))
  }

  /** Somebody heard the target: the probe is over, and we are not deaf. */
  #end(probe: Probe, entry: MemberEntry): void {
    this.#probes.delete(probe.target)
    this.#deps.health.improve()
    if (probe.isHeardByStream) this.#onlyStreamCame(entry)
  }

  #packetCame(entry: MemberEntry): void {
    entry.unheardPackets = 0
    if (!entry.isUdpBlocked) return
    entry.isUdpBlocked = false
    this.#deps.outbox.changed(entry)
  }

  #onlyStreamCame(entry: MemberEntry): void {
    entry.unheardPackets++
    if (entry.isUdpBlocked || entry.unheardPackets < this.#deps.options.udpBlockedAfter) return
    entry.isUdpBlocked = true
    this.#deps.outbox.changed(entry)
  }

  #hasFailed(probe: Probe, entry: MemberEntry, nowMs: number): boolean {
    // Its machine refuses our redial, so it would have answered the ping by now: no need to ask others.
    const isOver = entry.isRedialRefused ? nowMs >= probe.directUntilMs : nowMs >= probe.endsAtMs
    if (!isOver) return false
    if (probe.isHeardByStream) {
      this.#end(probe, entry)
      return false
    }
    this.#probes.delete(probe.target)
    entry.isPingLost = true
    if (entry.isRedialRefused) return true
    this.#deps.health.worsen(probe.asked > 0 ? probe.asked - probe.nacks : 1)
    return true
  }

  /** And over the stream, which a firewall for packets, or a lossy link, does not touch. */
  #askOthers(probe: Probe, entry: MemberEntry): void {
    const { table, options, outbox, random, self } = this.#deps
    probe.isIndirect = true
    if (!entry.isUdpBlocked) this.#ping(entry, probe.seq, byStream(entry))
    for (const relay of table.pick(options.indirectProbes, [self, probe.target], random)) {
      const body = {
        kind: 'ping-request',
        seq: probe.seq,
        target: probe.target,
        targetAddress: entry.meta.gossipAddress,
      } as const
      outbox.send(byDatagram(relay), body, this.#accusations(entry))
      probe.asked++
    }
  }

  #passOn(relay: Relay, entry: MemberEntry): MemberEntry {
    this.#relays.delete(relay.seq)
    const { id: node, incarnation, meta } = entry
    // With the answer goes what the subject last said of itself, perhaps its refutation.
    const news: Rumour[] = [{ kind: 'alive', node, incarnation, meta }]
    const body = { kind: 'ack', seq: relay.askerSeq, subject: node } as const
    this.#deps.outbox.send(relay.asker, body, entry.state === 'alive' ? news : [])
    return entry
  }

  #tickRelays(nowMs: number): void {
    for (const relay of this.#relays.values()) {
      if (nowMs >= relay.endsAtMs) this.#relays.delete(relay.seq)
      if (relay.isNacked || nowMs < relay.nackAtMs) continue
      relay.isNacked = true
      const body = { kind: 'nack', seq: relay.askerSeq, subject: relay.target } as const
      this.#deps.outbox.send(relay.asker, body)
    }
  }

  /** Lifeguard's buddy system: who is accused hears it with the ping and refutes with the answer. */
  #accusations(entry: MemberEntry): Rumour[] {
    const accusation = accusationOf(entry, this.#deps.self)
    return accusation === null ? [] : [accusation]
  }

  #nextSeq(): number {
    this.#seq = (this.#seq + 1) % maxSeq
    return this.#seq
  }
}
