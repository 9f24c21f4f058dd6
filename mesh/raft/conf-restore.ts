import { assert } from '../base/assert.ts'
import { areConfStatesEquivalent, emptyConfiguration, toConfState } from './configuration.ts'
import { ConfChanger, type MembershipChange } from './conf-changer.ts'
import type { InflightLimits } from './inflights.ts'
import type { Membership } from './tracker.ts'
import type { ConfChangeKind, ConfChangeSingle, ConfState, RaftId } from './types.ts'

/**
 * The membership of a snapshot, reached by the same steps that a running node makes: first the
 * outgoing voters one by one, then, when there are any, the joint change to what stands beside them.
 */
export function restoreMembership(
  confState: ConfState,
  limits: InflightLimits,
  lastIndex: number,
): Membership {
  let membership: Membership = { configuration: emptyConfiguration, progress: new Map() }
  const follow = (step: (changer: ConfChanger) => MembershipChange): void => {
    const change = step(new ConfChanger(membership, limits, lastIndex))
    assert(change.kind === 'changed', `a stored configuration cannot be restored`)
    membership = change.membership
  }
  const incoming: ConfChangeSingle[] = [
    ...all('remove-node', confState.votersOutgoing),
    ...all('add-node', confState.voters),
    ...all('add-learner', confState.learners),
    ...all('add-learner', confState.learnersNext),
  ]
  if (confState.votersOutgoing.length === 0) {
    for (const change of incoming) follow((changer) => changer.simple([change]))
  } else {
    for (const change of all('add-node', confState.votersOutgoing)) {
      follow((changer) => changer.simple([change]))
    }
    follow((changer) => changer.enterJoint(confState.autoLeave, incoming))
  }
  assert(
    areConfStatesEquivalent(confState, toConfState(membership.configuration)),
    'a stored configuration came back as another one',
  )
  return membership
}

const all = (kind: ConfChangeKind, ids: readonly RaftId[]): ConfChangeSingle[] =>
  ids.map((node) => ({ kind, node }))
