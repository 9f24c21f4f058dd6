import { isTransfer, makeMessage, transferContext } from './message.ts'
import { jointIds } from './quorum.ts'
import type { Raft } from './raft.ts'
import type { VoteTally } from './tracker.ts'
import type { Message, MessageKind } from './types.ts'

/** `transfer`: the leader asked for it, so it goes without a pre-vote and past everybody's lease. */
export type CampaignKind = 'pre-election' | 'election' | 'transfer'

/** Starts an election, if this node may lead at all. */
export function startElection(raft: Raft, kind: CampaignKind): void {
  if (raft.role === 'leader') return
  if (!raft.isPromotable) {
    raft.say('warn', 'is no voter and cannot campaign')
    return
  }
  if (hasUnappliedConfChange(raft)) {
    raft.say('warn', 'cannot campaign before it has applied a pending change of membership')
    return
  }
  raft.say('info', `starts an election at term ${raft.term}`)
  campaign(raft, kind)
}

export function campaign(raft: Raft, kind: CampaignKind): void {
  const isPreElection = kind === 'pre-election'
  if (isPreElection) raft.becomePreCandidate()
  else raft.becomeCandidate()
  const term = isPreElection ? raft.term + 1 : raft.term
  const request: MessageKind = isPreElection ? 'pre-vote' : 'vote'
  const last = raft.log.last
  for (const id of jointIds(raft.tracker.configuration)) {
    if (id === raft.id) {
      // Our own vote counts like any other: once it is on disk.
      raft.send(makeMessage(responseTo(request), id, { term }))
      continue
    }
    raft.send(
      makeMessage(request, id, {
        term,
        index: last.index,
        logTerm: last.term,
        ...(kind === 'transfer' && { context: transferContext }),
      }),
    )
  }
}

export function recordVote(raft: Raft, message: Message): VoteTally {
  raft.tracker.recordVote(message.from, !message.reject)
  const tally = raft.tracker.tallyVotes()
  raft.say(
    'info',
    `${message.reject ? 'was refused' : 'got'} a ${message.kind} of ${message.from} ` +
      `at term ${raft.term}: ${tally.granted} for, ${tally.rejected} against`,
  )
  return tally
}

/** Whether a leader was heard so recently that nobody's campaign is of interest. */
export function isInLease(raft: Raft, message: Message): boolean {
  const { isCheckQuorumOn, electionTicks } = raft.options
  if (isTransfer(message.context)) return false
  return isCheckQuorumOn && raft.lead !== 0 && raft.electionElapsed < electionTicks
}

/** Answers a vote or pre-vote of our own or, for a pre-vote, a later term. */
export function answerVote(raft: Raft, message: Message): void {
  const { kind, from, term } = message
  const isRepeated = raft.vote === from
  const isFree = raft.vote === 0 && raft.lead === 0
  const isForLater = kind === 'pre-vote' && term > raft.term
  const candidate = { term: message.logTerm, index: message.index }
  // Learners vote as well: one that was promoted may be the last to know, and be needed.
  const isGranted = (isRepeated || isFree || isForLater) && raft.log.isUpToDate(candidate)
  raft.say('info', `${isGranted ? 'grants' : 'refuses'} the ${kind} of ${from} for term ${term}`)
  if (!isGranted) {
    raft.send(makeMessage(responseTo(kind), from, { term: raft.term, reject: true }))
    return
  }
  // With the term asked for, not ours: a pre-candidate ignores answers of an older term.
  raft.send(makeMessage(responseTo(kind), from, { term }))
  if (kind === 'vote') {
    raft.electionElapsed = 0
    raft.vote = from
  }
}

const responseTo = (request: MessageKind): MessageKind =>
  request === 'pre-vote' ? 'pre-vote-response' : 'vote-response'

function hasUnappliedConfChange(raft: Raft): boolean {
  const { log, options } = raft
  let low = log.applied + 1
  while (low <= log.committed) {
    // Page by page: the unapplied part may be large.
    const page = log.slice(low, log.committed + 1, options.maxCommittedBytesPerReady)
    // Compacted means that a snapshot stands in for it, with its membership.
    if (page === 'compacted' || page.length === 0) return false
    if (page.some((entry) => entry.kind !== 'normal')) return true
    low += page.length
  }
  return false
}
