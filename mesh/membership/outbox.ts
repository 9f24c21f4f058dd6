import type { NodeId } from '../base/ids.ts'
import { memberOf, type MemberEntry } from './member-table.ts'
import type { Effect, MessageBody, Rumour, Sender } from './message.ts'
import type { RumourQueue } from './rumour-queue.ts'
import type { SwimMessage } from './message.ts'

/** How large things become on the wire; the codec knows, the rules only count. */
export interface Sizes {
  messageBytes(message: SwimMessage): number
  /** With whatever separates it from the next one. */
  rumourBytes(rumour: Rumour): number
}

export type Recipient =
  | { readonly over: 'datagram'; readonly address: string; readonly member: NodeId | null }
  | { readonly over: 'stream'; readonly member: NodeId }

export interface OutboxDeps {
  readonly sender: () => Sender
  readonly rumours: RumourQueue
  readonly sizes: Sizes
  readonly maxPayloadBytes: number
  /** How often a rumour is told before it is dropped. */
  readonly retransmitLimit: () => number
}

/** Collects the effects of one step, and fills every message up with rumours. */
export class Outbox {
  readonly #deps: OutboxDeps
  #effects: Effect[] = []

  constructor(deps: OutboxDeps) {
    this.#deps = deps
  }

  /** `first` are rumours that this recipient must hear now. */
  send(to: Recipient, body: MessageBody, first: readonly Rumour[] = []): void {
    const { sender, rumours, sizes, maxPayloadBytes, retransmitLimit } = this.#deps
    const bare: SwimMessage = { ...body, sender: sender(), rumours: [] }
    const budgetBytes = maxPayloadBytes - sizes.messageBytes(bare)
    const message = { ...bare, rumours: rumours.take(budgetBytes, first, retransmitLimit()) }
    if (to.over === 'stream') {
      this.#effects.push({ kind: 'send-by-stream', to: to.member, message })
    } else {
      this.#effects.push({ kind: 'send', to: to.address, message, member: to.member })
    }
  }

  changed(entry: MemberEntry): void {
    this.#effects.push({ kind: 'member-changed', member: memberOf(entry) })
  }

  twin(address: string): void {
    this.#effects.push({ kind: 'twin', address })
  }

  /** In the order in which they came about. */
  take(): Effect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }
}

export const byDatagram = ({ id, meta }: MemberEntry): Recipient => ({
  over: 'datagram',
  address: meta.gossipAddress,
  member: id,
})

export const byStream = ({ id }: MemberEntry): Recipient => ({ over: 'stream', member: id })

/** As it can be reached. */
export const recipientOf = (entry: MemberEntry): Recipient =>
  entry.isUdpBlocked ? byStream(entry) : byDatagram(entry)
