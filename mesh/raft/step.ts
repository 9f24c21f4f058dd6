import { unreachable } from '../base/assert.ts'
import { candidateHandlers } from './candidate.ts'
import { answerVote, isInLease, startElection } from './election.ts'
import { followerHandlers } from './follower.ts'
import type { Handlers } from './handlers.ts'
import { leaderHandlers } from './leader.ts'
import { makeMessage } from './message.ts'
import { propose } from './proposal.ts'
import type { Raft } from './raft.ts'
import type { Message, ProposalRefusal, Role } from './types.ts'

export type StepResult = 'ok' | ProposalRefusal

/** One input: the term decides first, then the role. */
export function step(raft: Raft, message: Message): StepResult {
  // Term 0: from ourselves, or forwarded to whoever leads.
  if (message.term > raft.term) {
    if (!acceptLaterTerm(raft, message)) return 'ok'
  } else if (message.term !== 0 && message.term < raft.term) {
    answerEarlierTerm(raft, message)
    return 'ok'
  }
  if (message.kind === 'propose') return propose(raft, message)
  const handle = sharedHandlers[message.kind] ?? handlersOf(raft.role)[message.kind]
  handle?.(raft, message)
  return 'ok'
}

/** What every role does alike. */
const sharedHandlers: Handlers = {
  hup: (raft) => startElection(raft, raft.options.isPreVoteOn ? 'pre-election' : 'election'),
  vote: answerVote,
  'pre-vote': answerVote,
}

function handlersOf(role: Role): Handlers {
  switch (role) {
    case 'leader':
      return leaderHandlers
    case 'candidate':
    case 'pre-candidate':
      return candidateHandlers
    case 'follower':
      return followerHandlers
    default:
      return unreachable(role)
  }
}

/** Somebody is ahead of us: follow, unless it only asks. False when the message is to be ignored. */
function acceptLaterTerm(raft: Raft, message: Message): boolean {
  const { kind, from, term, reject } = message
  if ((kind === 'vote' || kind === 'pre-vote') && isInLease(raft, message)) {
    raft.say('info', `ignores the ${kind} of ${from} for term ${term}: its leader is alive`)
    return false
  }
  // A pre-vote, and its granting, speak of a term that nobody has entered yet.
  if (kind === 'pre-vote' || (kind === 'pre-vote-response' && !reject)) return true
  const isFromLeader = kind === 'append' || kind === 'heartbeat' || kind === 'snapshot'
  raft.say('info', `hears of term ${term} from ${from}`)
  raft.becomeFollower(term, isFromLeader ? from : 0)
  return true
}

function answerEarlierTerm(raft: Raft, message: Message): void {
  const { kind, from } = message
  const { isCheckQuorumOn, isPreVoteOn } = raft.options
  if ((isCheckQuorumOn || isPreVoteOn) && (kind === 'heartbeat' || kind === 'append')) {
    // Our term went ahead while we were cut off, and votes alone would not bring the others there:
    // this answer, by its term, makes the old leader step down, and we are heard again.
    raft.send(makeMessage('append-response', from))
  } else if (kind === 'pre-vote') {
    // Ignored, two nodes of which each is ahead in one thing could wait for each other for good.
    raft.send(makeMessage('pre-vote-response', from, { term: raft.term, reject: true }))
  } else {
    raft.say('info', `ignores a ${kind} of the past term ${message.term} from ${from}`)
  }
}
