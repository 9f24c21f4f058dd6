import { makeMessage } from './message.ts'
import type { Raft } from './raft.ts'
import { step } from './step.ts'

/** One unit of the only time that a node knows. */
export function tick(raft: Raft): void {
  if (raft.role === 'leader') tickLeader(raft)
  else tickFollower(raft)
}

function tickFollower(raft: Raft): void {
  raft.electionElapsed++
  if (!raft.isPromotable || raft.electionElapsed < raft.randomizedElectionTicks) return
  raft.electionElapsed = 0
  step(raft, makeMessage('hup', raft.id, { from: raft.id }))
}

function tickLeader(raft: Raft): void {
  raft.heartbeatElapsed++
  raft.electionElapsed++
  if (raft.electionElapsed >= raft.options.electionTicks) {
    raft.electionElapsed = 0
    if (raft.options.isCheckQuorumOn) {
      step(raft, makeMessage('check-quorum', raft.id, { from: raft.id }))
    }
    // An heir that has not taken over by now will not: take proposals again.
    raft.leadTransferee = 0
  }
  if (raft.role !== 'leader' || raft.heartbeatElapsed < raft.options.heartbeatTicks) return
  raft.heartbeatElapsed = 0
  step(raft, makeMessage('beat', raft.id, { from: raft.id }))
}
