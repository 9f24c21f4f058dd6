import type { NodeId } from '../base/ids.ts'
import type { MemberAddress, MeshPolicy } from '../catalog/policy.ts'
import type { CatalogReader } from '../catalog/types.ts'

/** What a change of the catalog means for who is in. */
export interface RosterChange {
  readonly members: readonly MemberAddress[]
  readonly removed: readonly NodeId[]
}

/**
 * Who belongs to the cluster, by the newest catalog this node has. Before it has any, everybody
 * with a certificate of the cluster does: that is how a newcomer gets its first catalog.
 */
export class Roster {
  readonly #policy: MeshPolicy
  #members: readonly MemberAddress[]
  #peerIds: ReadonlyMap<NodeId, string> | null = null

  /** `known` from the last run or from the join. */
  constructor(policy: MeshPolicy, known: readonly MemberAddress[]) {
    this.#policy = policy
    this.#members = known
  }

  get members(): readonly MemberAddress[] {
    return this.#members
  }

  isMember(node: NodeId, peerId: string): boolean {
    return this.#peerIds === null || this.#peerIds.get(node) === peerId
  }

  has(node: NodeId): boolean {
    return this.#peerIds === null || this.#peerIds.has(node)
  }

  /** Null when nothing about the members changed. */
  update(catalog: CatalogReader): RosterChange | null {
    const members = this.#policy.members(catalog)
    if (members.length === 0) return null
    const isSame = JSON.stringify(members) === JSON.stringify(this.#members)
    if (isSame && this.#peerIds !== null) return null
    const before = this.#members
    this.#members = members
    this.#peerIds = new Map(members.map(({ node, peerId }) => [node, peerId]))
    const gone = before.filter(({ node }) => this.#peerIds?.has(node) === false)
    return { members, removed: gone.map(({ node }) => node) }
  }
}
