import type { Progress } from './progress.ts'
import type { Raft } from './raft.ts'
import type { PeerStatus, RaftStatus } from './raft-status.ts'
import type { RaftId } from './types.ts'

export function describeRaft(raft: Raft): RaftStatus {
  const { id, term, vote, lead, leadTransferee, role, log, tracker } = raft
  return {
    id,
    term,
    vote,
    commit: log.committed,
    applied: log.applied,
    lead,
    leadTransferee,
    role,
    firstIndex: log.firstIndex,
    lastIndex: log.lastIndex,
    configuration: tracker.configuration,
    peers: role === 'leader' ? describePeers(raft) : [],
  }
}

const describePeers = ({ tracker }: Raft): PeerStatus[] =>
  Array.from(tracker.progress, ([id, peer]) => describePeer(id, peer))

export function describePeer(id: RaftId, peer: Progress): PeerStatus {
  return {
    id,
    match: peer.match,
    next: peer.next,
    state: peer.state,
    isLearner: peer.isLearner,
    isPaused: peer.isPaused,
    pendingSnapshot: peer.pendingSnapshot,
    isRecentlyActive: peer.isRecentlyActive,
    inflightMessages: peer.inflights.count,
    isInflightFull: peer.inflights.isFull,
  }
}
