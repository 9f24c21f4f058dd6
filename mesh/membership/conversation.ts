import { unreachable } from '../base/assert.ts'
import type { NodeId } from '../base/ids.ts'
import type { BanList } from './ban-list.ts'
import { rumourOf, type MemberEntry, type MemberTable } from './member-table.ts'
import type { Rumour, Sender, SwimMessage } from './message.ts'
import type { Outbox, Recipient } from './outbox.ts'
import type { Prober } from './prober.ts'
import type { RumourMill } from './rumour-mill.ts'

export interface ConversationDeps {
  readonly self: NodeId
  readonly table: MemberTable
  readonly banned: BanList
  readonly prober: Prober
  readonly mill: RumourMill
  readonly outbox: Outbox
}

/** What is answered to what another member says. */
export class Conversation {
  readonly #deps: ConversationDeps
  /** Our question to whoever has the address of somebody who is taken for us. */
  #challenged: number | null = null

  constructor(deps: ConversationDeps) {
    this.#deps = deps
  }

  /** `back` is the way the message came. */
  receive(message: SwimMessage, back: Recipient, nowMs: number): void {
    const { sender } = message
    if (sender.id === this.#deps.self) return this.#receiveFromTwin(message, back)
    if (this.#deps.banned.has(sender.id)) return
    const { id: node, incarnation, meta } = sender
    this.#deps.mill.hear({ kind: 'alive', node, incarnation, meta }, nowMs)
    for (const rumour of message.rumours) this.#deps.mill.hear(rumour, nowMs)
    const wasAccused = this.#deps.mill.takeRefuted()
    const isTold = this.#answer(message, back, nowMs)
    if (!isTold) this.#setRight(sender, back, wasAccused)
  }

  /** True when what we hold against the sender went out with an answer. */
  #answer(message: SwimMessage, back: Recipient, nowMs: number): boolean {
    const { sender } = message
    switch (message.kind) {
      case 'ping': {
        if (message.target !== this.#deps.self) return false
        // Its own pings are answered, so messages reach it: as good as a probe of ours.
        const entry = this.#deps.table.get(sender.id)
        const isWell = sender.health === 0 && entry?.isUdpBlocked === false
        if (entry !== undefined && isWell) entry.heardMs = nowMs
        const body = { kind: 'ack', seq: message.seq, subject: this.#deps.self } as const
        this.#deps.outbox.send(back, body, this.#objections(sender))
        return true
      }
      case 'ping-request': {
        const asked = { seq: message.seq, target: message.target, address: message.targetAddress }
        if (!this.#deps.banned.has(message.target)) this.#deps.prober.relay(back, asked, nowMs)
        return false
      }
      case 'ack': {
        const { seq, subject } = message
        const ack = { seq, subject, sender: sender.id, over: back.over }
        this.#heardFrom(this.#deps.prober.acked(ack), back, nowMs)
        return false
      }
      case 'nack':
        this.#deps.prober.nacked(message.seq, message.subject)
        return false
      case 'gossip':
        return false
      default:
        return unreachable(message)
    }
  }

  #heardFrom(entry: MemberEntry | null, back: Recipient, nowMs: number): void {
    if (entry === null) return
    // Whom only the stream reaches is looked at again at once, until we know that it stays so.
    if (back.over === 'datagram' || entry.isUdpBlocked) entry.heardMs = nowMs
    entry.isPingLost = false
    entry.isRedialRefused = false
  }

  /** Whoever was wrong about us, or is himself taken for gone or for another, is told at once. */
  #setRight(sender: Sender, back: Recipient, wasAccused: boolean): void {
    const objections = this.#objections(sender)
    if (!wasAccused && objections.length === 0) return
    this.#deps.outbox.send(back, { kind: 'gossip' }, objections)
  }

  /** A member whose clock went back over a restart says less than its former life: it must know. */
  #objections(sender: Sender): Rumour[] {
    const entry = this.#deps.table.get(sender.id)
    if (entry === undefined) return []
    const isOutdone = entry.state !== 'alive' || entry.incarnation > sender.incarnation
    return isOutdone ? [rumourOf(entry, this.#deps.self)] : []
  }

  /** Somebody there is taken for us. */
  challenge(address: string): void {
    this.#challenged = this.#deps.prober.challenge(address)
  }

  /** An earlier life of ours answers nothing, and to a repeated packet nobody can make up our number. */
  #receiveFromTwin(message: SwimMessage, back: Recipient): void {
    if (
      message.sender.meta.gossipAddress ===
      this.#deps.table.get(this.#deps.self)?.meta.gossipAddress
    )
      return
    if (message.kind === 'ping' && message.target === this.#deps.self) {
      this.#deps.outbox.send(back, { kind: 'ack', seq: message.seq, subject: this.#deps.self })
    }
    if (message.kind !== 'ack' || message.seq !== this.#challenged) return
    this.#challenged = null
    this.#deps.outbox.twin(message.sender.meta.gossipAddress)
  }
}
