import type { NodeId } from '../base/ids.ts'
import type { RaftId } from '../raft/types.ts'

const idChars = 10
/** Each rotation of a node's id gives another number. */
const lives = 25

/** The number by which Raft knows a node in its first life as a manager. */
export const raftIdOf = (node: NodeId): RaftId => idAt(node, 0)

/**
 * All numbers by which Raft may know a node. A manager that is demoted loses its log, and with it
 * what it voted for and what it acknowledged; were it to come back under the same number, others
 * could count on promises that it has forgotten. So each promotion takes the next number.
 */
export const raftIdsOf = (node: NodeId): readonly RaftId[] =>
  Array.from({ length: lives }, (_, life) => idAt(node, life))

/** The number after `current`; null when the node has been promoted too often. */
export function nextRaftId(node: NodeId, current: RaftId): RaftId | null {
  const ids = raftIdsOf(node)
  return ids[ids.indexOf(current) + 1] ?? null
}

/** Ten characters of the id, below 2^52. Node ids are random. Never 0, which is nobody in Raft. */
function idAt(node: NodeId, life: number): RaftId {
  const around = node + node
  return Number.parseInt(around.slice(life, life + idChars), 36) + 1
}
