import type { ListenerOptions } from '../../routing/route-table.ts'
import { field } from './field.ts'
import { isTokenByte } from './octets.ts'
import { verdicts, type Verdict } from './own-answer.ts'
import type { RequestHead } from './request-head.ts'

/** What to answer to a valid request that goes no further; null when it does. */
export function refusalOf(
  head: RequestHead,
  via: Uint8Array,
  { maxBodyBytes }: ListenerOptions,
): Verdict | null {
  if (isLoop(head, via)) return verdicts.loop
  if (head.maxForwards === 0) return verdicts.lastHop
  const { framing } = head
  if (maxBodyBytes === null || framing.kind !== 'length') return null
  return framing.bytes > maxBodyBytes ? verdicts.tooLarge : null
}

/** Whether the entry's own name stands in `Via`: the request has been here before. */
function isLoop({ fields }: RequestHead, via: Uint8Array): boolean {
  for (let index = 0; index < fields.fieldCount; index++) {
    if (fields.code(index) !== field.via) continue
    const last = fields.valueTo(index) - via.length
    for (let at = fields.valueFrom(index); at <= last; at++) {
      const isWhole = isTokenByte[fields.bytes[at + via.length] ?? 0] !== 1
      if (isWhole && fields.says(at, at + via.length, via)) return true
    }
  }
  return false
}
