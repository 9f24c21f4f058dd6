import { isId, nodeId, type NodeId } from '../base/ids.ts'
import type { ConfState, RaftId } from '../raft/types.ts'
import { raftIdsOf } from './raft-id.ts'

/** Which node a Raft id is: the number says too little to be turned back. */
export class RaftPeers {
  readonly #nodes = new Map<RaftId, NodeId>()
  readonly #known = new Set<NodeId>()

  learn(node: NodeId): void {
    if (this.#known.has(node)) return
    this.#known.add(node)
    for (const id of raftIdsOf(node)) this.#nodes.set(id, node)
  }

  /** From a change of membership, which carries the node in its context. */
  learnFrom(context: Uint8Array): void {
    const text = new TextDecoder().decode(context)
    if (isId(text)) this.learn(nodeId(text))
  }

  contextOf(id: RaftId): Uint8Array {
    return new TextEncoder().encode(this.#nodes.get(id) ?? '')
  }

  nodeOf(id: RaftId): NodeId | null {
    return this.#nodes.get(id) ?? null
  }

  isIdOf(node: NodeId, id: RaftId): boolean {
    this.learn(node)
    return this.#nodes.get(id) === node
  }

  /** More than one while a former life of the node is not yet removed. */
  idsIn(members: ConfState, node: NodeId): readonly RaftId[] {
    const { voters, votersOutgoing, learners, learnersNext } = members
    const ids = new Set([...voters, ...votersOutgoing, ...learners, ...learnersNext])
    return [...ids].filter((id) => this.isIdOf(node, id))
  }

  known(): readonly NodeId[] {
    return [...this.#known].sort()
  }
}
