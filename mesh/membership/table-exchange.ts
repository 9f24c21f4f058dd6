import type { NodeId } from '../base/ids.ts'
import { hash32 } from '../base/text-hash.ts'
import { rumourOf, type MemberEntry, type MemberTable } from './member-table.ts'
import type { Rumour } from './message.ts'
import type { MemberState } from './types.ts'

/** What somebody holds of a member, without the words. */
export interface Held {
  readonly node: NodeId
  readonly incarnation: number
  readonly state: MemberState
}

export interface Difference {
  /** What whoever sent the digest does not know. */
  readonly news: readonly Rumour[]
  /** Of whom it knows more than we. */
  readonly wanted: readonly NodeId[]
}

/** In one incarnation, the later state wins. */
export const stateRank: { readonly [State in MemberState]: number } = {
  alive: 0,
  suspect: 1,
  dead: 2,
  left: 3,
}

/** Whom a member said something of; what a catalog told us of them is hearsay. */
const told = (table: MemberTable): MemberEntry[] =>
  table.all().filter(({ incarnation }) => incarnation > 0)

export const digestOf = (table: MemberTable): Held[] =>
  told(table).map(({ id: node, incarnation, state }) => ({ node, incarnation, state }))

/** The same for tables that say the same, in whatever order. */
export function fingerprintOf(table: MemberTable): number {
  let sum = 0
  for (const { id, incarnation, state } of told(table)) {
    sum = (sum + hashOf(`${id} ${incarnation} ${state}`)) % 2 ** 52
  }
  return sum
}

export function differenceTo(
  digest: readonly Held[],
  { table, self }: { readonly table: MemberTable; readonly self: NodeId },
): Difference {
  const theirs = new Map(digest.map((held) => [held.node, held]))
  const news = told(table)
    .filter((entry) => isNewer(heldOf(entry), theirs.get(entry.id)))
    .map((entry) => rumourOf(entry, self))
  const wanted = digest
    .filter((held) => isNewer(held, heldOf(table.get(held.node))))
    .map(({ node }) => node)
  return { news, wanted }
}

function heldOf(entry: MemberEntry): Held
function heldOf(entry: MemberEntry | undefined): Held | undefined
function heldOf(entry: MemberEntry | undefined): Held | undefined {
  if (entry === undefined) return undefined
  const { id: node, incarnation, state } = entry
  return { node, incarnation, state }
}

/** Nobody is introduced to the dead. */
function isNewer(held: Held, than: Held | undefined): boolean {
  if (than === undefined) return held.state === 'alive' || held.state === 'suspect'
  if (held.incarnation !== than.incarnation) return held.incarnation > than.incarnation
  return stateRank[held.state] > stateRank[than.state]
}

const otherBasis = 0x050c5d1f

/** 52 bits: a difference that goes unnoticed is one in millions of millions. */
const hashOf = (text: string): number =>
  (hash32(text, otherBasis) % 2 ** 20) * 2 ** 32 + hash32(text)
