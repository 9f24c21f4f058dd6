import type { NodeId } from '../base/ids.ts'
import type { RaftId } from '../raft/types.ts'

/**
 * The number by which Raft knows a node: the first ten characters of its id, below 2^52. Node ids
 * are drawn at random and never used again, and so are these. Never 0, which is nobody in Raft.
 */
export const raftIdOf = (node: NodeId): RaftId => Number.parseInt(node.slice(0, 10), 36) + 1
