import type { NodeId } from '../base/ids.ts'
import type { MeshPolicy } from '../catalog/policy.ts'
import type { CatalogReader } from '../catalog/types.ts'
import type { ConfState, RaftId } from '../raft/types.ts'
import { RaftPeers } from './raft-peers.ts'

export interface RaftGroupDeps {
  readonly self: NodeId
  readonly raftId: RaftId
  readonly policy: MeshPolicy
  readonly catalog: () => CatalogReader
}

/** Whom Raft counts now, and whom the catalog makes a manager: the one follows the other. */
export class RaftGroup {
  readonly peers: RaftPeers = new RaftPeers()
  readonly #deps: RaftGroupDeps
  confState: ConfState

  constructor(deps: RaftGroupDeps, confState: ConfState) {
    this.#deps = deps
    this.confState = confState
    this.peers.learn(deps.self)
  }

  /** As voter or learner; a manager is removed from it after demotion. */
  has(node: NodeId): boolean {
    return this.idsOf(node).length > 0
  }

  idsOf(node: NodeId): readonly RaftId[] {
    return this.peers.idsIn(this.confState, node)
  }

  /** The nodes whose votes count. */
  voters(): readonly NodeId[] {
    return this.confState.voters.flatMap((id) => this.nodeOf(id) ?? [])
  }

  /** Nobody else could be elected. */
  get isAlone(): boolean {
    const { voters, votersOutgoing } = this.confState
    return voters.length === 1 && voters[0] === this.#deps.raftId && votersOutgoing.length === 0
  }

  isManager(node: NodeId): boolean {
    return this.#deps.policy.roleOf(this.#deps.catalog(), node) === 'manager'
  }

  nodeOf(id: RaftId): NodeId | null {
    const known = this.peers.nodeOf(id)
    if (known !== null) return known
    const members = this.#deps.policy.members(this.#deps.catalog())
    for (const { node } of members) this.peers.learn(node)
    return this.peers.nodeOf(id)
  }
}
