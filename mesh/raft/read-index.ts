import { isSingleton } from './configuration.ts'
import { makeMessage } from './message.ts'
import type { Raft } from './raft.ts'
import { broadcastHeartbeat } from './replication.ts'
import type { Message } from './types.ts'

/** Reads that wait for a new leader's first commit; further ones are dropped and asked again. */
const maxEarlyReads = 4096

/** Somebody wants to read what is committed now: say which index that is, once it is certain. */
export function askRead(raft: Raft, request: Message): void {
  if (isSingleton(raft.tracker.configuration)) {
    answer(raft, request, raft.log.committed)
  } else if (raft.hasCommittedInTerm) {
    confirm(raft, request)
  } else if (raft.earlyReads.length < maxEarlyReads) {
    raft.earlyReads.push(request)
  }
}

/** The first entry of the term is committed, and with it the commit index is known. */
export function releaseEarlyReads(raft: Raft): void {
  if (raft.earlyReads.length === 0 || !raft.hasCommittedInTerm) return
  const requests = raft.earlyReads
  raft.earlyReads = []
  for (const request of requests) confirm(raft, request)
}

export function answerConfirmedReads(raft: Raft): void {
  for (const { request, index } of raft.reads.takeConfirmed(raft.tracker.configuration)) {
    answer(raft, request, index)
  }
}

/** A round of heartbeats shows whether we still lead; our own voice counts at once. */
function confirm(raft: Raft, request: Message): void {
  if (raft.options.readOnly === 'lease-based') {
    answer(raft, request, raft.log.committed)
    return
  }
  if (!raft.reads.add(request, raft.log.committed)) return
  raft.reads.acknowledge(raft.id, raft.reads.heartbeatContext())
  broadcastHeartbeat(raft)
}

function answer(raft: Raft, request: Message, index: number): void {
  const { from, context } = request
  if (from === 0 || from === raft.id) raft.readStates.push({ index, context })
  else raft.send(makeMessage('read-index-response', from, { index, context }))
}
