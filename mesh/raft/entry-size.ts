import { assert } from '../base/assert.ts'
import { varintLength } from './varint.ts'
import type { Entry } from './types.ts'

/**
 * The size that all limits count: what the entry takes in protobuf, so that limits mean the same
 * as etcd's. A field at its zero is absent, as etcd leaves it for the entries that it makes.
 */
export function entrySize(entry: Entry): number {
  const kind = entry.kind === 'normal' ? 0 : 2
  const { length } = entry.data
  const data = length === 0 ? 0 : 1 + varintLength(length) + length
  return kind + 1 + varintLength(entry.term) + 1 + varintLength(entry.index) + data
}

export function entriesSize(entries: readonly Entry[]): number {
  return entries.reduce((size, entry) => size + entrySize(entry), 0)
}

/** Only what the proposer gave: an empty entry weighs nothing, and is therefore never refused. */
export function payloadSize(entries: readonly Entry[]): number {
  return entries.reduce((size, entry) => size + entry.data.length, 0)
}

/** The longest prefix within `maxBytes`, but at least one entry. */
export const limitSize = (entries: readonly Entry[], maxBytes: number): readonly Entry[] =>
  sliceWithin(entries, { from: 0, to: entries.length }, maxBytes)

/** The same for a part of a log, which may be long: only what is taken is looked at. */
export function sliceWithin(
  entries: readonly Entry[],
  { from, to }: { readonly from: number; readonly to: number },
  maxBytes: number,
): readonly Entry[] {
  let size = 0
  for (let at = from; at < to; at++) {
    const entry = entries[at]
    assert(entry !== undefined, `no entry at ${at}`)
    size += entrySize(entry)
    if (at > from && size > maxBytes) return entries.slice(from, at)
  }
  return entries.slice(from, to)
}
