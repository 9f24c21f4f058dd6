import type { NodeId } from '../base/ids.ts'

/** `left` was said by the node itself; `dead` was found out. */
export type MemberState = 'alive' | 'suspect' | 'dead' | 'left'

/** What a node says of itself with every rumour; small (a packet holds several), single writer. */
export interface MemberMeta {
  readonly name: string
  /** Where its SWIM socket and libp2p listen: `host:port`. */
  readonly gossipAddress: string
  readonly controlAddress: string
  readonly dataPathAddress: string
}

export interface Member {
  readonly id: NodeId
  readonly state: MemberState
  readonly incarnation: number
  readonly meta: MemberMeta
  /** Local monotonic ms when the state was last changed here. */
  readonly sinceMs: number
  /** It answers over the stream, but for a while now no packet has come back from it. */
  readonly isUdpBlocked?: boolean
}
