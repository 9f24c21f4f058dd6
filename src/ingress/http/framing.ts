import { field } from './field.ts'
import type { HeadParser } from './head-parser.ts'
import { ascii, comma, isBlank, isTokenByte } from './octets.ts'

/**
 * How a message's body ends: decided once, from its head, and by one rule alone. Whatever could be
 * read in two ways is refused, never repaired (RFC 9112 §6).
 */
export type Framing =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'until-close' }

export const noBody: Framing = { kind: 'none' }
export const chunkedBody: Framing = { kind: 'chunked' }
export const untilClose: Framing = { kind: 'until-close' }

/** `unstated`: the head says nothing. `unknown-coding` may be understood by others, not by us. */
export type StatedFraming = Framing | 'unstated' | 'unknown-coding' | 'wrong'

const chunkedWord = ascii('chunked')
/** More digits would not be a number that counts bytes exactly. */
const lengthDigitsMax = 15

/** What Content-Length and Transfer-Encoding say together. `minor` is that of HTTP/1.x. */
export function statedFraming(head: HeadParser, minor: number): StatedFraming {
  let lengthAt = -1
  let codingAt = -1
  for (let index = 0; index < head.fieldCount; index++) {
    const code = head.code(index)
    if (code === field.contentLength) {
      if (lengthAt >= 0) return 'wrong'
      lengthAt = index
    }
    if (code === field.transferEncoding) {
      if (codingAt >= 0) return 'wrong'
      codingAt = index
    }
  }
  if (codingAt >= 0) return lengthAt >= 0 || minor === 0 ? 'wrong' : codingOf(head, codingAt)
  return lengthAt >= 0 ? lengthOf(head, lengthAt) : 'unstated'
}

function lengthOf(head: HeadParser, index: number): StatedFraming {
  const from = head.valueFrom(index)
  const to = head.valueTo(index)
  if (to === from || to - from > lengthDigitsMax) return 'wrong'
  let bytes = 0
  for (let at = from; at < to; at++) {
    const digit = (head.bytes[at] ?? 0) - 0x30
    if (digit < 0 || digit > 9) return 'wrong'
    bytes = bytes * 10 + digit
  }
  return { kind: 'length', bytes }
}

/** `chunked` and nothing else; a list of known grammar that ends in it is merely unknown to us. */
function codingOf(head: HeadParser, index: number): StatedFraming {
  const from = head.valueFrom(index)
  const to = head.valueTo(index)
  if (head.says(from, to, chunkedWord)) return chunkedBody
  const lastFrom = to - chunkedWord.length
  if (lastFrom <= from || !head.says(lastFrom, to, chunkedWord)) return 'wrong'
  let before = lastFrom - 1
  while (before > from && isBlank(head.bytes[before])) before--
  if (head.bytes[before] !== comma) return 'wrong'
  for (let at = from; at < before; at++) {
    const byte = head.bytes[at] ?? 0
    if (isTokenByte[byte] !== 1 && byte !== comma && !isBlank(byte)) return 'wrong'
  }
  return 'unknown-coding'
}
