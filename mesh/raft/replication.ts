import { payloadSize } from './entry-size.ts'
import { makeMessage } from './message.ts'
import type { Progress } from './progress.ts'
import type { Raft } from './raft.ts'
import type { RaftId } from './types.ts'

/** What a leader sends: appends, snapshots to those who are too far behind, heartbeats. */

export function sendAppend(raft: Raft, to: RaftId): void {
  maybeSendAppend(raft, to, { evenIfEmpty: true })
}

/** An empty append carries the commit index; false when nothing was sent. */
export function maybeSendAppend(
  raft: Raft,
  to: RaftId,
  { evenIfEmpty }: { readonly evenIfEmpty: boolean },
): boolean {
  const peer = raft.tracker.progress.get(to)
  if (peer === undefined || peer.isPaused) return false
  const index = peer.next - 1
  const logTerm = raft.log.term(index)
  if (typeof logTerm !== 'number') return maybeSendSnapshot(raft, to, peer)

  // With a full window only an empty append goes, when a heartbeat answer asks for it: were all the
  // messages in flight lost, its answer alone would get things moving again.
  const isFull = peer.state === 'replicate' && peer.inflights.isFull
  const { maxBytesPerMessage } = raft.options
  const entries = isFull ? [] : raft.log.entriesFrom(peer.next, maxBytesPerMessage)
  if (!evenIfEmpty && (entries === 'compacted' || entries.length === 0)) return false
  if (entries === 'compacted') return maybeSendSnapshot(raft, to, peer)

  const commit = raft.log.committed
  raft.send(makeMessage('append', to, { index, logTerm, entries, commit }))
  peer.sentEntries(entries.length, payloadSize(entries))
  peer.sentCommit(commit)
  return true
}

function maybeSendSnapshot(raft: Raft, to: RaftId, peer: Progress): boolean {
  if (!peer.isRecentlyActive) {
    raft.say('debug', `sends no snapshot to ${to}, which has not been heard of lately`)
    return false
  }
  const { snapshot } = raft.log
  if (snapshot === null) {
    raft.say('debug', `has no snapshot at hand for ${to}`)
    return false
  }
  const { index, term } = snapshot.meta
  raft.say('debug', `sends the snapshot at ${index} of term ${term} to ${to}`)
  peer.becomeSnapshot(index)
  raft.send(makeMessage('snapshot', to, { snapshot }))
  return true
}

export function broadcastAppend(raft: Raft): void {
  for (const id of others(raft)) sendAppend(raft, id)
}

/** Asks for no answer but the pulse, unless reads wait for a quorum to confirm our lead. */
export function broadcastHeartbeat(raft: Raft): void {
  const context = raft.reads.heartbeatContext()
  for (const [id, peer] of raft.tracker.progress) {
    if (id === raft.id) continue
    // Never beyond what the peer is known to hold: its log may differ from ours there.
    const commit = Math.min(peer.match, raft.log.committed)
    raft.send(makeMessage('heartbeat', id, { commit, context }))
    peer.sentCommit(commit)
  }
}

/** After a change of membership: newcomers need not wait for a heartbeat or a proposal. */
export function probeAll(raft: Raft): void {
  for (const id of others(raft)) maybeSendAppend(raft, id, { evenIfEmpty: false })
}

const others = (raft: Raft): RaftId[] =>
  [...raft.tracker.progress.keys()].filter((id) => id !== raft.id)
