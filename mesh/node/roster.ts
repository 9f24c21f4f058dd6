import type { NodeId } from '../base/ids.ts'
import type { MemberAddress, MeshPolicy } from '../catalog/policy.ts'
import type { CatalogReader } from '../catalog/types.ts'

/** What a change of the catalog means for who is in. */
export interface RosterChange {
  readonly members: readonly MemberAddress[]
  readonly removed: readonly NodeId[]
}

/** Ids are never used again, so nobody on it comes back; the oldest are forgotten. */
const removedKept = 10_000

/**
 * Who belongs to the cluster, by the newest catalog this node has. Before it has any, everybody
 * with a certificate of the cluster does: that is how a newcomer gets its first catalog. So does,
 * while this node hears no leader that it knows, whoever joined in the meantime: the new leader may
 * be one of them, and it is the one that brings the catalog up to date.
 */
export class Roster {
  readonly #policy: MeshPolicy
  #members: readonly MemberAddress[]
  #peerIds: ReadonlyMap<NodeId, string> | null = null
  #isCurrent = false
  readonly #removed = new Set<NodeId>()

  /** `known` from the last run or from the join. */
  constructor(policy: MeshPolicy, known: readonly MemberAddress[]) {
    this.#policy = policy
    this.#members = known
  }

  get members(): readonly MemberAddress[] {
    return this.#members
  }

  isMember(node: NodeId, peerId: string): boolean {
    if (this.#peerIds === null) return true
    const known = this.#peerIds.get(node)
    if (known !== undefined) return known === peerId
    return !this.#isCurrent && !this.#removed.has(node)
  }

  /** Who leads, as far as this node hears; true when that makes its word on strangers stricter. */
  followLeader(leader: NodeId | null): boolean {
    const wasCurrent = this.#isCurrent
    this.#isCurrent = leader !== null && this.has(leader)
    return this.#isCurrent && !wasCurrent
  }

  has(node: NodeId): boolean {
    return this.#peerIds === null || this.#peerIds.has(node)
  }

  /** Null when nothing about the members changed. */
  update(catalog: CatalogReader): RosterChange | null {
    const members = this.#policy.members(catalog)
    if (members.length === 0 || (members === this.#members && this.#peerIds !== null)) return null
    const isSame = JSON.stringify(members) === JSON.stringify(this.#members)
    if (isSame && this.#peerIds !== null) return null
    const before = this.#members
    this.#members = members
    this.#peerIds = new Map(members.map(({ node, peerId }) => [node, peerId]))
    const gone = before.filter(({ node }) => this.#peerIds?.has(node) === false)
    const removed = gone.map(({ node }) => node)
    this.#remember(removed)
    return { members, removed }
  }

  #remember(removed: readonly NodeId[]): void {
    for (const node of removed) this.#removed.add(node)
    for (const node of this.#removed) {
      if (this.#removed.size <= removedKept) return
      this.#removed.delete(node)
    }
  }
}
