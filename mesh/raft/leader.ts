import { handleAppendResponse } from './append-response.ts'
import type { Handlers } from './handlers.ts'
import type { Progress } from './progress.ts'
import type { Raft } from './raft.ts'
import { answerConfirmedReads, askRead } from './read-index.ts'
import { broadcastHeartbeat, sendAppend } from './replication.ts'
import { transferLeadership } from './transfer.ts'
import type { Message } from './types.ts'

export const leaderHandlers: Handlers = {
  beat: broadcastHeartbeat,
  'check-quorum': checkQuorum,
  'read-index': askRead,
  'append-response': ofMember(handleAppendResponse),
  'heartbeat-response': ofMember(handleHeartbeatResponse),
  'snapshot-status': ofMember(handleSnapshotStatus),
  unreachable: ofMember(handleUnreachable),
  'transfer-leader': ofMember((raft, peer, { from }) => transferLeadership(raft, peer, from)),
}

/** For messages that speak of their sender's progress: strangers have none. */
function ofMember(
  handle: (raft: Raft, peer: Progress, message: Message) => void,
): (raft: Raft, message: Message) => void {
  return (raft, message) => {
    const peer = raft.tracker.progress.get(message.from)
    if (peer === undefined) raft.say('debug', `knows no ${message.from}`)
    else handle(raft, peer, message)
  }
}

/** A leader that no quorum has answered for an election's time leads nobody. */
function checkQuorum(raft: Raft): void {
  if (!raft.tracker.isQuorumActive()) {
    raft.say('warn', 'steps down: no quorum is active')
    raft.becomeFollower(raft.term, 0)
  }
  for (const [id, peer] of raft.tracker.progress) {
    if (id !== raft.id) peer.isRecentlyActive = false
  }
}

function handleHeartbeatResponse(raft: Raft, peer: Progress, message: Message): void {
  peer.isRecentlyActive = true
  peer.isFlowPaused = false
  // Also when nothing is missing, while probing: its answer ends the probing.
  if (peer.match < raft.log.lastIndex || peer.state === 'probe') sendAppend(raft, message.from)
  if (raft.options.readOnly !== 'safe' || message.context.length === 0) return
  raft.reads.acknowledge(message.from, message.context)
  answerConfirmedReads(raft)
}

function handleSnapshotStatus(_raft: Raft, peer: Progress, message: Message): void {
  if (peer.state !== 'snapshot') return
  // One that failed was not applied: probing must not start behind it.
  if (message.reject) peer.pendingSnapshot = 0
  peer.becomeProbe()
  // Wait for its answer or, after a failure, for the next heartbeat.
  peer.isFlowPaused = true
}

/** What was sent ahead is probably lost. */
function handleUnreachable(raft: Raft, peer: Progress, { from }: Message): void {
  if (peer.state === 'replicate') peer.becomeProbe()
  raft.say('debug', `cannot reach ${from}`)
}
