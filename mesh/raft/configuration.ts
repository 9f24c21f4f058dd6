import type { JointVoters } from './quorum.ts'
import type { ConfState, RaftId } from './types.ts'

/**
 * Who takes part. While a change is under way (`outgoing` not empty) a voter that becomes a learner
 * waits in `learnersNext`: it still votes with the outgoing majority, and nobody may be both.
 */
export interface Configuration extends JointVoters {
  readonly learners: ReadonlySet<RaftId>
  readonly learnersNext: ReadonlySet<RaftId>
  /** The leader itself proposes the way out of the joint configuration once it is applied. */
  readonly autoLeave: boolean
}

export const emptyConfiguration: Configuration = {
  incoming: new Set(),
  outgoing: new Set(),
  learners: new Set(),
  learnersNext: new Set(),
  autoLeave: false,
}

export const isJoint = (configuration: Configuration): boolean => configuration.outgoing.size > 0

/** One voter, alone: what it holds is committed. */
export const isSingleton = (configuration: Configuration): boolean =>
  configuration.incoming.size === 1 && configuration.outgoing.size === 0

export function toConfState(configuration: Configuration): ConfState {
  return {
    voters: rising(configuration.incoming),
    votersOutgoing: rising(configuration.outgoing),
    learners: rising(configuration.learners),
    learnersNext: rising(configuration.learnersNext),
    autoLeave: configuration.autoLeave,
  }
}

/** The same members, in whatever order. */
export function areConfStatesEquivalent(one: ConfState, other: ConfState): boolean {
  return (
    areSameIds(one.voters, other.voters) &&
    areSameIds(one.votersOutgoing, other.votersOutgoing) &&
    areSameIds(one.learners, other.learners) &&
    areSameIds(one.learnersNext, other.learnersNext) &&
    one.autoLeave === other.autoLeave
  )
}

/** For logs: `voters=(1 2 3)&&(1) learners=(4) autoleave`, as etcd writes it. */
export function describeConfiguration(configuration: Configuration): string {
  const { incoming, outgoing, learners, learnersNext, autoLeave } = configuration
  let text = `voters=${describeIds(incoming)}`
  if (outgoing.size > 0) text += `&&${describeIds(outgoing)}`
  if (learners.size > 0) text += ` learners=${describeIds(learners)}`
  if (learnersNext.size > 0) text += ` learners_next=${describeIds(learnersNext)}`
  return autoLeave ? `${text} autoleave` : text
}

const areSameIds = (one: readonly RaftId[], other: readonly RaftId[]): boolean =>
  String(rising(one)) === String(rising(other))

const rising = (ids: Iterable<RaftId>): RaftId[] => [...ids].sort((a, b) => a - b)

const describeIds = (ids: Iterable<RaftId>): string =>
  `(${rising(ids)
    .map((id) => id.toString(16))
    .join(' ')})`
