import { startElection } from './election.ts'
import type { Handlers } from './handlers.ts'
import { makeMessage } from './message.ts'
import type { Raft } from './raft.ts'
import { restoreSnapshot } from './reconfiguration.ts'
import type { Message } from './types.ts'

export const followerHandlers: Handlers = {
  append: afterHearing(handleAppend),
  heartbeat: afterHearing(handleHeartbeat),
  snapshot: afterHearing(handleSnapshot),
  'transfer-leader': forwardToLeader,
  'read-index': forwardToLeader,
  'timeout-now': (raft, message) => {
    raft.say('info', `is asked by ${message.from} to take over at term ${raft.term}`)
    startElection(raft, 'transfer')
  },
  'read-index-response': (raft, { index, context }) => {
    raft.readStates.push({ index, context })
  },
}

function afterHearing(
  handle: (raft: Raft, message: Message) => void,
): (raft: Raft, message: Message) => void {
  return (raft, message) => {
    raft.electionElapsed = 0
    raft.lead = message.from
    handle(raft, message)
  }
}

function forwardToLeader(raft: Raft, message: Message): void {
  if (raft.lead === 0) raft.say('info', `drops a ${message.kind}: no leader is known`)
  else raft.send({ ...message, to: raft.lead, term: 0 })
}

export function handleAppend(raft: Raft, message: Message): void {
  const { from, index, logTerm, entries, commit } = message
  const answer = (fields: Partial<Message>): void =>
    raft.send(makeMessage('append-response', from, fields))

  // What is committed cannot differ: no need to look at it.
  if (index < raft.log.committed) return answer({ index: raft.log.committed })
  const last = raft.log.maybeAppend({ index, term: logTerm }, entries, commit)
  if (last !== null) return answer({ index: last })

  raft.say('debug', `rejects an append after ${index} of term ${logTerm} from ${from}`)
  // A hint where the logs may meet; see `findConflictByTerm` for what it saves.
  const guess = Math.min(index, raft.log.lastIndex)
  const hint = raft.log.findConflictByTerm(guess, logTerm)
  return answer({ index, reject: true, rejectHint: hint.index, logTerm: hint.term })
}

export function handleHeartbeat(raft: Raft, message: Message): void {
  raft.log.commitTo(message.commit)
  raft.send(makeMessage('heartbeat-response', message.from, { context: message.context }))
}

export function handleSnapshot(raft: Raft, message: Message): void {
  const isRestored = message.snapshot !== null && restoreSnapshot(raft, message.snapshot)
  const index = isRestored ? raft.log.lastIndex : raft.log.committed
  raft.say('info', `${isRestored ? 'restored' : 'ignored'} a snapshot from ${message.from}`)
  raft.send(makeMessage('append-response', message.from, { index }))
}
