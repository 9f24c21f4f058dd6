import type { MeshPolicy } from '../catalog/policy.ts'
import type { CatalogReader } from '../catalog/types.ts'
import { isJoint } from '../raft/configuration.ts'
import type { RaftNode } from '../raft/raft-node.ts'
import type { RaftStatus } from '../raft/raft-status.ts'
import type { RaftId } from '../raft/types.ts'
import { raftIdOf } from './raft-id.ts'
import {
  nextMembershipStep,
  pickSuccessor,
  type MembershipStep,
  type MembershipView,
} from './raft-members.ts'
import type { RaftPeers } from './raft-peers.ts'

export interface MembershipSteeringDeps {
  readonly raft: RaftNode
  readonly peers: RaftPeers
  readonly policy: MeshPolicy
  readonly catalog: () => CatalogReader
}

/** The catalog says who the managers are; a leader makes Raft agree, one step at a time. */
export class MembershipSteering {
  readonly #deps: MembershipSteeringDeps
  /** A change is on its way, up to this index of the log. */
  #changingUntil = 0

  constructor(deps: MembershipSteeringDeps) {
    this.#deps = deps
  }

  /** Called every tick while this node leads and has applied all that came before its time. */
  steer(): void {
    const status = this.#deps.raft.status()
    const isUnderWay = status.applied < this.#changingUntil || isJoint(status.configuration)
    if (isUnderWay || status.leadTransferee !== 0) return
    const step = nextMembershipStep(this.#view(status))
    if (step !== null) this.#take(step)
  }

  /** Who should lead next; null when there is nobody. */
  successor(): RaftId | null {
    return pickSuccessor(this.#view(this.#deps.raft.status()))
  }

  #take(step: MembershipStep): void {
    const { raft, peers } = this.#deps
    if (step.kind === 'hand-over') return raft.transferLeader(step.to)
    const context = peers.contextOf(step.change.node)
    const change = { transition: 'auto', changes: [step.change], context } as const
    if (raft.proposeConfChange(change) === 'ok') this.#changingUntil = raft.status().lastIndex
  }

  #view({ id, configuration, peers, lastIndex }: RaftStatus): MembershipView {
    const managers = this.#deps.policy
      .members(this.#deps.catalog())
      .filter(({ role }) => role === 'manager')
    for (const { node } of managers) this.#deps.peers.learn(node)
    return {
      self: id,
      voters: configuration.incoming,
      learners: configuration.learners,
      managers: new Set(managers.map(({ node, raftId }) => raftId ?? raftIdOf(node))),
      progress: peers,
      lastIndex,
    }
  }
}
