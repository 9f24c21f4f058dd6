import { campaign, recordVote } from './election.ts'
import { handleAppend, handleHeartbeat, handleSnapshot } from './follower.ts'
import type { Handlers } from './handlers.ts'
import type { Raft } from './raft.ts'
import { broadcastAppend } from './replication.ts'
import type { Message, Role } from './types.ts'

/** Candidates and pre-candidates; they differ in the answers that they wait for. */
export const candidateHandlers: Handlers = {
  append: afterYielding(handleAppend),
  heartbeat: afterYielding(handleHeartbeat),
  snapshot: afterYielding(handleSnapshot),
  'vote-response': (raft, message) => countVote(raft, message, 'candidate'),
  'pre-vote-response': (raft, message) => countVote(raft, message, 'pre-candidate'),
}

/** Whoever speaks as leader of our own term has won it. */
function afterYielding(
  handle: (raft: Raft, message: Message) => void,
): (raft: Raft, message: Message) => void {
  return (raft, message) => {
    raft.becomeFollower(message.term, message.from)
    handle(raft, message)
  }
}

function countVote(raft: Raft, message: Message, by: Role): void {
  // A candidate may still get answers to its pre-votes.
  if (raft.role !== by) return
  const { result } = recordVote(raft, message)
  if (result === 'lost') {
    raft.becomeFollower(raft.term, 0)
  } else if (result === 'won' && by === 'pre-candidate') {
    campaign(raft, 'election')
  } else if (result === 'won') {
    raft.becomeLeader()
    broadcastAppend(raft)
  }
}
