import { assert } from '../base/assert.ts'
import { ConfChanger } from './conf-changer.ts'
import { isLeaveJoint, wantsJoint } from './conf-change.ts'
import { restoreMembership } from './conf-restore.ts'
import { describeConfiguration } from './configuration.ts'
import { isJointVoter } from './quorum.ts'
import type { Raft } from './raft.ts'
import { broadcastAppend, probeAll } from './replication.ts'
import type { Membership } from './tracker.ts'
import type { ConfChange, ConfState, Snapshot } from './types.ts'

/** A change of membership takes effect when it is applied, on every node at the same index. */
export function applyConfChange(raft: Raft, change: ConfChange): ConfState {
  const changer = new ConfChanger(raft.tracker, raft.tracker.limits, raft.log.lastIndex)
  const joint = wantsJoint(change)
  const outcome = isLeaveJoint(change)
    ? changer.leaveJoint()
    : joint === null
      ? changer.simple(change.changes)
      : changer.enterJoint(joint.autoLeave, change.changes)
  // Every node applies the same entry to the same membership: one cannot go on where others stop.
  assert(outcome.kind === 'changed', 'a committed change of membership cannot be applied')
  switchTo(raft, outcome.membership)
  return raft.tracker.confState
}

function switchTo(raft: Raft, membership: Membership): void {
  raft.tracker.adopt(membership)
  raft.say('info', `switched to configuration ${describeConfiguration(membership.configuration)}`)
  if (raft.role !== 'leader') return
  const self = raft.tracker.progress.get(raft.id)
  if (self === undefined || self.isLearner) {
    if (raft.options.stepDownOnRemoval) raft.becomeFollower(raft.term, 0)
    return
  }
  // Fewer may be needed now than before.
  if (raft.maybeCommit()) broadcastAppend(raft)
  else probeAll(raft)
  if (!isJointVoter(membership.configuration, raft.leadTransferee)) raft.leadTransferee = 0
}

/**
 * Takes over a leader's snapshot; false when there was nothing to take over. Unlike etcd we do so
 * also when it is older than our joining, and thus does not name us: the log behind it will.
 */
export function restoreSnapshot(raft: Raft, snapshot: Snapshot): boolean {
  const { index, term, confState } = snapshot.meta
  if (index <= raft.log.committed) return false
  assert(raft.role === 'follower', 'only followers take over snapshots')
  // The log agrees with it already: nothing is lost but the commit index that came too late.
  if (raft.log.matches({ index, term })) {
    raft.log.commitTo(index)
    return false
  }
  raft.log.restore(snapshot)
  switchTo(raft, restoreMembership(confState, raft.tracker.limits, raft.log.lastIndex))
  return true
}
