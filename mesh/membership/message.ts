import type { NodeId } from '../base/ids.ts'
import type { Member, MemberMeta } from './types.ts'

/**
 * News about one member. Of two, the higher incarnation is true; of one incarnation the later in the
 * order alive, suspect, dead, left. Only the member itself raises its incarnation: that is how it
 * refutes what others say of it.
 */
export type Rumour =
  | {
      readonly kind: 'alive'
      readonly node: NodeId
      readonly incarnation: number
      readonly meta: MemberMeta
    }
  | Suspected
  | Dead
  | { readonly kind: 'left'; readonly node: NodeId; readonly incarnation: number }

export interface Suspected {
  readonly kind: 'suspect'
  readonly node: NodeId
  readonly incarnation: number
  readonly by: NodeId
}

export interface Dead {
  readonly kind: 'dead'
  readonly node: NodeId
  readonly incarnation: number
  readonly by: NodeId
}

/** Every message begins with who sends it: whoever is in touch with a member knows its latest. */
export interface Sender {
  readonly id: NodeId
  readonly incarnation: number
  readonly meta: MemberMeta
  /** Lifeguard's local health: 0 is well, so its own pings are being answered. */
  readonly health: number
}

export type MessageBody =
  /** `target` tells a node that took over another one's address that it is not meant. */
  | { readonly kind: 'ping'; readonly seq: number; readonly target: NodeId }
  | {
      readonly kind: 'ping-request'
      readonly seq: number
      readonly target: NodeId
      readonly targetAddress: string
    }
  /** `subject` is who answered; a relay passes the answer on in its own name. */
  | { readonly kind: 'ack'; readonly seq: number; readonly subject: NodeId }
  /** A relay lives, but heard nothing from the subject either. */
  | { readonly kind: 'nack'; readonly seq: number; readonly subject: NodeId }
  | { readonly kind: 'gossip' }

export type SwimMessage = MessageBody & {
  readonly sender: Sender
  readonly rumours: readonly Rumour[]
}

export type Input =
  | { readonly kind: 'tick' }
  | { readonly kind: 'packet'; readonly from: string; readonly message: SwimMessage }
  /** The same over the stream to its sender, which the transport has proved. */
  | { readonly kind: 'frame'; readonly message: SwimMessage }
  /** What another member's table has that ours had not. */
  | { readonly kind: 'news'; readonly rumours: readonly Rumour[] }
  | {
      readonly kind: 'connection'
      readonly node: NodeId
      readonly event: 'up' | 'down' | 'refused'
    }
  /** Members that the catalog or a join told of: taken for alive, and asked. */
  | { readonly kind: 'join'; readonly seeds: readonly Seed[] }
  | { readonly kind: 'leave' }
  /** Asks whoever has that address whether it lives under our id. */
  | { readonly kind: 'challenge'; readonly address: string }
  | { readonly kind: 'update-meta'; readonly meta: MemberMeta }
  | { readonly kind: 'event-loop-delay'; readonly delayMs: number }
  /** Removed from the cluster: no rumour brings it back. */
  | { readonly kind: 'forget'; readonly node: NodeId }

export interface Seed {
  readonly id: NodeId
  readonly meta: MemberMeta
}

export type Effect =
  /** `member` is whom it is meant for; null when only the address is known. */
  | {
      readonly kind: 'send'
      readonly to: string
      readonly message: SwimMessage
      readonly member: NodeId | null
    }
  | { readonly kind: 'send-by-stream'; readonly to: NodeId; readonly message: SwimMessage }
  | { readonly kind: 'member-changed'; readonly member: Member }
  /** Another process lives under our id: it answered a question that only it was asked. */
  | { readonly kind: 'twin'; readonly address: string }
