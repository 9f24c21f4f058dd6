import type { Progress } from './progress.ts'
import type { Raft } from './raft.ts'
import { releaseEarlyReads } from './read-index.ts'
import { broadcastAppend, maybeSendAppend, sendAppend } from './replication.ts'
import { finishTransfer } from './transfer.ts'
import type { Message } from './types.ts'

/** What a peer, or this leader's own disk, says of the entries that it was given. */
export function handleAppendResponse(raft: Raft, peer: Progress, message: Message): void {
  peer.isRecentlyActive = true
  if (message.reject) handleRejection(raft, peer, message)
  else handleAcceptance(raft, peer, message)
}

function handleRejection(raft: Raft, peer: Progress, message: Message): void {
  const { from, index, rejectHint, logTerm } = message
  raft.say('debug', `hears that ${from} rejects entries after ${index}, hint ${rejectHint}`)
  // Wherever our term is above the peer's at the hint the logs must differ: skip all of that at
  // once. The follower has skipped likewise, so a term costs one probe at most, not every entry.
  const probe = logTerm > 0 ? raft.log.findConflictByTerm(rejectHint, logTerm).index : rejectHint
  if (!peer.maybeDecrease(index, probe)) return
  if (peer.state === 'replicate') peer.becomeProbe()
  sendAppend(raft, from)
}

function handleAcceptance(raft: Raft, peer: Progress, message: Message): void {
  const { from, index } = message
  // A probed peer may say nothing new and still show that it is there, and in step with us.
  const isNews = peer.maybeUpdate(index) || (peer.match === index && peer.state === 'probe')
  if (!isNews) return
  advanceState(raft, peer, index)

  if (raft.maybeCommit()) {
    releaseEarlyReads(raft)
    broadcastAppend(raft)
  } else if (from !== raft.id && peer.canBumpCommit(raft.log.committed)) {
    sendAppend(raft, from)
  }
  if (from === raft.id) return
  // The window has moved: send what fits in. Each message fills it, so this ends.
  while (maybeSendAppend(raft, from, { evenIfEmpty: false }));
  finishTransfer(raft, peer, from)
}

function advanceState(raft: Raft, peer: Progress, index: number): void {
  switch (peer.state) {
    case 'probe':
      peer.becomeReplicate()
      return
    case 'replicate':
      peer.inflights.freeUpTo(index)
      return
    case 'snapshot':
      // Whichever snapshot it applied, our log reaches back to it.
      if (peer.match + 1 < raft.log.firstIndex) return
      peer.becomeProbe()
      peer.becomeReplicate()
      return
    default:
  }
}
