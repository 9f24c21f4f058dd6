import * as z from 'zod'
import type { NodeId } from '../base/ids.ts'
import type { Rumour } from '../membership/message.ts'
import type { Held } from '../membership/table-exchange.ts'
import { decodeJson, encodeJson, type FrameRefused } from './frames.ts'
import { nodeIdText } from './member-address.ts'
import { rumourLists, wireRumours } from './swim-message.ts'

/** Protocol of SWIM's own messages where packets do not get through. */
export const swimProtocol = '/mesh/swim/1'
/** Protocol of comparing who is here: one question, one answer. */
export const memberSyncProtocol = '/mesh/members/1'

export type MemberSyncQuestion =
  /** "Is this what you hold?" */
  | { readonly kind: 'compare'; readonly fingerprint: number }
  /** "What do I miss, and what do you?" */
  | { readonly kind: 'digest'; readonly digest: readonly Held[] }
  /** "This is what you missed." */
  | { readonly kind: 'news'; readonly rumours: readonly Rumour[] }

export interface MemberSyncAnswer {
  readonly isSame: boolean
  readonly news: readonly Rumour[]
  readonly wanted: readonly NodeId[]
}

const maxSyncBytes = 2 * 1024 * 1024
const maxMembers = 2048
const count = z
  .int()
  .min(0)
  .max(2 ** 52)

const held = z
  .tuple([nodeIdText, count, z.enum(['alive', 'suspect', 'dead', 'left'])])
  .transform(([node, incarnation, state]): Held => ({ node, incarnation, state }))

const rumours: z.ZodType<readonly Rumour[]> = z
  .tuple([...rumourLists(maxMembers)])
  .transform((lists) => lists.flat())

const question: z.ZodType<MemberSyncQuestion> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('compare'), fingerprint: count }),
  z.object({ kind: z.literal('digest'), digest: z.array(held).max(maxMembers) }),
  z.object({ kind: z.literal('news'), rumours }),
])

const answer: z.ZodType<MemberSyncAnswer> = z.object({
  isSame: z.boolean(),
  news: rumours,
  wanted: z.array(nodeIdText).max(maxMembers),
})

export function encodeMemberSyncQuestion(asked: MemberSyncQuestion): Uint8Array {
  switch (asked.kind) {
    case 'compare':
      return encodeJson(asked)
    case 'digest': {
      const digest = asked.digest.map(({ node, incarnation, state }) => [node, incarnation, state])
      return encodeJson({ kind: 'digest', digest })
    }
    case 'news':
      return encodeJson({ kind: 'news', rumours: wireRumours(asked.rumours) })
  }
}

export const decodeMemberSyncQuestion = (bytes: Uint8Array): MemberSyncQuestion | FrameRefused =>
  decodeBounded(question, bytes)

export const encodeMemberSyncAnswer = ({ news, ...others }: MemberSyncAnswer): Uint8Array =>
  encodeJson({ ...others, news: wireRumours(news) })

export const decodeMemberSyncAnswer = (bytes: Uint8Array): MemberSyncAnswer | FrameRefused =>
  decodeBounded(answer, bytes)

function decodeBounded<T>(schema: z.ZodType<T>, bytes: Uint8Array): T | FrameRefused {
  if (bytes.length > maxSyncBytes) return { refused: `longer than ${maxSyncBytes} bytes` }
  return decodeJson(schema, bytes)
}
