import type { NodeId } from '../base/ids.ts'
import type { Random } from '../base/random.ts'
import { shuffled } from '../base/random.ts'
import type { Rumour } from './message.ts'
import type { Member, MemberMeta, MemberState } from './types.ts'

/** What we know of a member, and how we came to know it. */
export interface MemberEntry {
  readonly id: NodeId
  state: MemberState
  incarnation: number
  meta: MemberMeta
  sinceMs: number
  /** When we last had proof that messages go there and back. */
  heardMs: number
  /** Who accuses it of the present incarnation; empty unless it is suspect. */
  readonly accusers: Set<NodeId>
  /** When we look after it again while it is suspect. */
  lookAgainMs: number
  /** What our own ping and our redial met since we last heard of it. */
  isPingLost: boolean
  isRedialRefused: boolean
  /** Probes in a row to which no packet came back, though the stream answered. */
  unheardPackets: number
  isUdpBlocked: boolean
}

/** Everybody known, oneself included. Bounded: a new member takes the place of one long gone. */
export class MemberTable {
  readonly #capacity: number
  readonly #entries = new Map<NodeId, MemberEntry>()

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get(id: NodeId): MemberEntry | undefined {
    return this.#entries.get(id)
  }

  all(): MemberEntry[] {
    return [...this.#entries.values()]
  }

  inState(...states: readonly MemberState[]): MemberEntry[] {
    return this.all().filter(({ state }) => states.includes(state))
  }

  /** Those that take part: alive and suspect. */
  get presentCount(): number {
    let count = 0
    for (const { state } of this.#entries.values()) {
      if (state === 'alive' || state === 'suspect') count++
    }
    return count
  }

  /** Living members but for the given ones, in a random order, at most `count`. */
  pick(count: number, except: readonly NodeId[], random: Random): MemberEntry[] {
    const living = this.inState('alive').filter(({ id }) => !except.includes(id))
    return shuffled(living, random).slice(0, count)
  }

  /** Null when the table is full of members that are not gone. */
  add(
    known: { id: NodeId; incarnation: number; meta: MemberMeta },
    nowMs: number,
  ): MemberEntry | null {
    if (this.#entries.size >= this.#capacity && !this.#evictGone()) return null
    const entry: MemberEntry = {
      ...known,
      state: 'alive',
      sinceMs: nowMs,
      heardMs: Number.NEGATIVE_INFINITY,
      accusers: new Set(),
      lookAgainMs: nowMs,
      isPingLost: false,
      isRedialRefused: false,
      unheardPackets: 0,
      isUdpBlocked: false,
    }
    this.#entries.set(known.id, entry)
    return entry
  }

  remove(id: NodeId): void {
    this.#entries.delete(id)
  }

  #evictGone(): boolean {
    const gone = this.inState('dead', 'left').toSorted((a, b) => a.sinceMs - b.sinceMs)[0]
    if (gone === undefined) return false
    return this.#entries.delete(gone.id)
  }
}

export function memberOf(entry: MemberEntry): Member {
  const { id, state, incarnation, meta, sinceMs, isUdpBlocked } = entry
  return { id, state, incarnation, meta, sinceMs, isUdpBlocked }
}

/** What we hold against a member, so that it can refute; null when nothing. */
export const accusationOf = (entry: MemberEntry, self: NodeId): Rumour | null =>
  entry.state === 'alive' ? null : rumourOf(entry, self)

/** What we hold of a member, as we would tell it. */
export function rumourOf(entry: MemberEntry, self: NodeId): Rumour {
  const { id: node, incarnation, meta } = entry
  switch (entry.state) {
    case 'alive':
      return { kind: 'alive', node, incarnation, meta }
    case 'suspect': {
      const [by] = entry.accusers
      return { kind: 'suspect', node, incarnation, by: by ?? self }
    }
    case 'dead':
      return { kind: 'dead', node, incarnation, by: self }
    case 'left':
      return { kind: 'left', node, incarnation }
  }
}

export const sameMeta = (left: MemberMeta, right: MemberMeta): boolean =>
  left.name === right.name &&
  left.gossipAddress === right.gossipAddress &&
  left.controlAddress === right.controlAddress &&
  left.dataPathAddress === right.dataPathAddress
