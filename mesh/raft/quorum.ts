import type { RaftId } from './types.ts'

/**
 * Majorities. In the middle of a membership change two of them must agree: the incoming and the
 * outgoing voters. Outside of one `outgoing` is empty, and an empty majority agrees to everything.
 */
export interface JointVoters {
  readonly incoming: ReadonlySet<RaftId>
  readonly outgoing: ReadonlySet<RaftId>
}

export type VoteResult = 'pending' | 'lost' | 'won'

/** The highest index that a voter is known to hold; undefined when nothing is known. */
export type AckedIndex = (voter: RaftId) => number | undefined

/** The highest index that a majority holds; `Infinity` when there are no voters. */
export function majorityCommitted(voters: ReadonlySet<RaftId>, ackedIndex: AckedIndex): number {
  if (voters.size === 0) return Infinity
  const indexes = Array.from(voters, (voter) => ackedIndex(voter) ?? 0)
  indexes.sort((a, b) => b - a)
  return indexes[Math.floor(voters.size / 2)] ?? 0
}

export function majorityVote(
  voters: ReadonlySet<RaftId>,
  votes: ReadonlyMap<RaftId, boolean>,
): VoteResult {
  if (voters.size === 0) return 'won'
  let granted = 0
  let missing = 0
  for (const voter of voters) {
    const vote = votes.get(voter)
    if (vote === undefined) missing++
    else if (vote) granted++
  }
  const needed = Math.floor(voters.size / 2) + 1
  if (granted >= needed) return 'won'
  return granted + missing >= needed ? 'pending' : 'lost'
}

/** What both majorities hold. */
export function jointCommitted(voters: JointVoters, ackedIndex: AckedIndex): number {
  return Math.min(
    majorityCommitted(voters.incoming, ackedIndex),
    majorityCommitted(voters.outgoing, ackedIndex),
  )
}

/** Won when both majorities grant, lost as soon as one of them refuses. */
export function jointVote(voters: JointVoters, votes: ReadonlyMap<RaftId, boolean>): VoteResult {
  const incoming = majorityVote(voters.incoming, votes)
  const outgoing = majorityVote(voters.outgoing, votes)
  if (incoming === outgoing) return incoming
  return incoming === 'lost' || outgoing === 'lost' ? 'lost' : 'pending'
}

/** Everybody who votes, by rising id. */
export function jointIds(voters: JointVoters): RaftId[] {
  return [...new Set([...voters.incoming, ...voters.outgoing])].sort((a, b) => a - b)
}

export function isJointVoter(voters: JointVoters, id: RaftId): boolean {
  return voters.incoming.has(id) || voters.outgoing.has(id)
}
