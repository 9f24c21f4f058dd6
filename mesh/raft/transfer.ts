import { makeMessage } from './message.ts'
import type { Progress } from './progress.ts'
import type { Raft } from './raft.ts'
import { sendAppend } from './replication.ts'
import type { RaftId } from './types.ts'

/** Leadership handed over: the heir catches up, then campaigns at once (Raft thesis §3.10). */
export function transferLeadership(raft: Raft, heir: Progress, to: RaftId): void {
  if (heir.isLearner || raft.leadTransferee === to) return
  // A later wish replaces an earlier one.
  raft.leadTransferee = 0
  if (to === raft.id) return
  raft.say('info', `transfers leadership to ${to} at term ${raft.term}`)
  // It has one election's time, after which the leader takes proposals again.
  raft.electionElapsed = 0
  raft.leadTransferee = to
  if (heir.match === raft.log.lastIndex) sendTimeoutNow(raft, to)
  else sendAppend(raft, to)
}

/** The heir answered: it campaigns as soon as it holds everything. */
export function finishTransfer(raft: Raft, heir: Progress, from: RaftId): void {
  if (from === raft.leadTransferee && heir.match === raft.log.lastIndex) sendTimeoutNow(raft, from)
}

const sendTimeoutNow = (raft: Raft, to: RaftId): void => raft.send(makeMessage('timeout-now', to))
