import type { Raft } from './raft.ts'
import type { Message, MessageKind } from './types.ts'

/** What a role does with a kind of message; kinds that are not named mean nothing to it. */
export type Handlers = {
  readonly [Kind in MessageKind]?: (raft: Raft, message: Message) => void
}
