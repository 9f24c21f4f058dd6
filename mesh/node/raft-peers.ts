import { isId, nodeId, type NodeId } from '../base/ids.ts'
import type { RaftId } from '../raft/types.ts'
import { raftIdOf } from './raft-id.ts'

/** Which node a Raft id is: the number says too little to be turned back. */
export class RaftPeers {
  readonly #nodes = new Map<RaftId, NodeId>()

  learn(node: NodeId): void {
    this.#nodes.set(raftIdOf(node), node)
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

  known(): readonly NodeId[] {
    return [...this.#nodes.values()].sort()
  }
}
