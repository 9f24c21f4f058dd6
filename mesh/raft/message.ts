import type { Message, MessageKind, RaftId } from './types.ts'

export const noBytes: Uint8Array = new Uint8Array(0)

type Fields = Partial<Omit<Message, 'kind' | 'to'>>

/** A message with every field that is not given at its zero; `send` fills in sender and term. */
export function makeMessage(kind: MessageKind, to: RaftId, fields: Fields = {}): Message {
  return {
    kind,
    to,
    from: 0,
    term: 0,
    logTerm: 0,
    index: 0,
    entries: [],
    commit: 0,
    vote: 0,
    snapshot: null,
    reject: false,
    rejectHint: 0,
    context: noBytes,
    ...fields,
  }
}

const localKinds: ReadonlySet<MessageKind> = new Set([
  'hup',
  'beat',
  'unreachable',
  'snapshot-status',
  'check-quorum',
])

const responseKinds: ReadonlySet<MessageKind> = new Set([
  'append-response',
  'vote-response',
  'heartbeat-response',
  'unreachable',
  'read-index-response',
  'pre-vote-response',
])

/** Kinds by which a node speaks to itself; nobody else may send them. */
export const isLocalKind = (kind: MessageKind): boolean => localKinds.has(kind)

/** Kinds that mean something only when they come from a member. */
export const isResponseKind = (kind: MessageKind): boolean => responseKinds.has(kind)

/** Answers that promise something: they leave only after what they promise is on disk. */
export const isPromise = (kind: MessageKind): boolean =>
  kind === 'append-response' || kind === 'vote-response' || kind === 'pre-vote-response'

/** Elections speak of the term being campaigned for, which need not be the sender's. */
export const hasOwnTerm = (kind: MessageKind): boolean =>
  kind === 'vote' || kind === 'vote-response' || kind === 'pre-vote' || kind === 'pre-vote-response'

/** Marks votes of an election that the leader itself asked for: they break its lease. */
export const transferContext: Uint8Array = Uint8Array.from('CampaignTransfer', (letter) =>
  letter.charCodeAt(0),
)

export const isTransfer = (context: Uint8Array): boolean =>
  context.length === transferContext.length &&
  context.every((byte, at) => byte === transferContext[at])
