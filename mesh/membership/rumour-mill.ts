import { assert, unreachable } from '../base/assert.ts'
import type { NodeId } from '../base/ids.ts'
import type { Random } from '../base/random.ts'
import type { BanList } from './ban-list.ts'
import { sameMeta, type MemberEntry, type MemberTable } from './member-table.ts'
import type { Rumour } from './message.ts'
import type { MembershipOptions } from './options.ts'
import type { Outbox } from './outbox.ts'
import type { RumourQueue } from './rumour-queue.ts'
import { stateRank } from './table-exchange.ts'
import type { MemberMeta, MemberState } from './types.ts'

export interface RumourMillDeps {
  readonly self: NodeId
  readonly table: MemberTable
  readonly rumours: RumourQueue
  readonly banned: BanList
  readonly outbox: Outbox
  readonly random: Random
  readonly options: MembershipOptions
  /** Others think that we are gone: perhaps we are slow. */
  readonly onAccused: () => void
  /** Somebody there is taken for us: an earlier life of ours, or a copy. */
  readonly onLookalike: (address: string) => void
}

type RumourOf<Kind extends Rumour['kind']> = Extract<Rumour, { readonly kind: Kind }>

/** Believes, refutes and passes on: the merge rules of SWIM. What changes the table is told further. */
export class RumourMill {
  readonly #deps: RumourMillDeps
  #wasRefuted = false

  constructor(deps: RumourMillDeps) {
    this.#deps = deps
  }

  /** Says (again) who we are. */
  announce(meta: MemberMeta, incarnation: number): void {
    const { self, table, rumours, outbox } = this.#deps
    const known = table.get(self)
    const entry = known ?? table.add({ id: self, incarnation, meta }, 0)
    assert(entry !== null, 'a table has room for oneself')
    entry.incarnation = incarnation
    entry.meta = meta
    rumours.add({ kind: 'alive', node: self, incarnation, meta })
    outbox.changed(entry)
  }

  /** From now on we are gone, and nothing that others say of us is refuted. */
  leave(nowMs: number): MemberEntry {
    const { self, table, rumours } = this.#deps
    const entry = table.get(self)
    assert(entry !== undefined, 'a member knows itself')
    rumours.add({ kind: 'left', node: self, incarnation: entry.incarnation })
    this.#enter(entry, 'left', nowMs)
    return entry
  }

  /** Whether something was refuted since the last call. */
  takeRefuted(): boolean {
    const wasRefuted = this.#wasRefuted
    this.#wasRefuted = false
    return wasRefuted
  }

  hear(rumour: Rumour, nowMs: number): void {
    const { self, banned, table } = this.#deps
    if (banned.has(rumour.node)) return
    const entry = table.get(rumour.node)
    if (rumour.node === self) return this.#hearOfSelf(rumour)
    switch (rumour.kind) {
      case 'alive':
        return this.#hearAlive(rumour, entry, nowMs)
      case 'suspect':
        return this.#hearSuspect(rumour, entry, nowMs)
      case 'dead':
      case 'left':
        return this.#hearGone(rumour, entry, nowMs)
      default:
        return unreachable(rumour)
    }
  }

  /** How long one member waits between two looks at a suspect, so that all together look often enough. */
  lookPeriodMs(): number {
    const { options, table } = this.#deps
    return options.probePeriodMs * Math.max(1, table.presentCount / options.suspectProbers)
  }

  #hearOfSelf(rumour: Rumour): void {
    const { self, table, onAccused, onLookalike } = this.#deps
    const entry = table.get(self)
    assert(entry !== undefined, 'a member knows itself')
    if (entry.state === 'left' || rumour.incarnation < entry.incarnation) return
    const isAlive = rumour.kind === 'alive'
    const isOurs = isAlive && rumour.incarnation === entry.incarnation
    if (isOurs && sameMeta(rumour.meta, entry.meta)) return
    if (!isAlive) onAccused()
    if (isAlive && rumour.meta.gossipAddress !== entry.meta.gossipAddress) {
      onLookalike(rumour.meta.gossipAddress)
    }
    this.#wasRefuted = true
    this.announce(entry.meta, rumour.incarnation + 1)
  }

  #hearAlive(rumour: RumourOf<'alive'>, known: MemberEntry | undefined, nowMs: number): void {
    const { table, outbox, rumours } = this.#deps
    const { node: id, incarnation, meta } = rumour
    if (known === undefined) {
      const added = table.add({ id, incarnation, meta }, nowMs)
      if (added === null) return
      // A seed is hearsay of the catalog; only what a member said of itself is worth spreading.
      if (incarnation > 0) rumours.add(rumour)
      return outbox.changed(added)
    }
    if (incarnation <= known.incarnation) return
    known.incarnation = incarnation
    known.meta = meta
    rumours.add(rumour)
    this.#enter(known, 'alive', nowMs)
  }

  #hearSuspect(rumour: RumourOf<'suspect'>, known: MemberEntry | undefined, nowMs: number): void {
    if (known === undefined || rumour.incarnation < known.incarnation) return
    const isNewer = rumour.incarnation > known.incarnation
    if (known.state === 'suspect' && !isNewer) return this.#confirm(rumour, known)
    if (known.state !== 'alive' && !isNewer) return
    const { random, rumours, table, options, self } = this.#deps
    known.incarnation = rumour.incarnation
    known.accusers.clear()
    known.accusers.add(rumour.by)
    // In a small cluster all look at once; in a large one they take turns.
    const spreadMs = table.presentCount <= options.suspectProbers ? 0 : this.lookPeriodMs()
    known.lookAgainMs = nowMs + (rumour.by === self ? 0 : random.below(Math.floor(spreadMs) + 1))
    rumours.add(rumour)
    this.#enter(known, 'suspect', nowMs)
  }

  /** One more accuser shortens the suspicion; those beyond the wanted number are not passed on. */
  #confirm(rumour: RumourOf<'suspect'>, known: MemberEntry): void {
    const { options, rumours } = this.#deps
    if (known.accusers.has(rumour.by)) return
    if (known.accusers.size > options.confirmationsWanted) return
    known.accusers.add(rumour.by)
    rumours.add(rumour)
  }

  #hearGone(
    rumour: RumourOf<'dead' | 'left'>,
    known: MemberEntry | undefined,
    nowMs: number,
  ): void {
    if (known === undefined || rumour.incarnation < known.incarnation) return
    const isNewer = rumour.incarnation > known.incarnation
    if (!isNewer && stateRank[rumour.kind] <= stateRank[known.state]) return
    known.incarnation = rumour.incarnation
    this.#deps.rumours.add(rumour)
    this.#enter(known, rumour.kind, nowMs)
  }

  #enter(entry: MemberEntry, state: MemberState, nowMs: number): void {
    if (state !== entry.state || state === 'suspect') entry.sinceMs = nowMs
    entry.state = state
    if (state !== 'suspect') entry.accusers.clear()
    if (state === 'alive') {
      entry.isPingLost = false
      entry.isRedialRefused = false
    }
    if (state === 'dead' || state === 'left') {
      entry.unheardPackets = 0
      entry.isUdpBlocked = false
    }
    this.#deps.outbox.changed(entry)
  }
}
