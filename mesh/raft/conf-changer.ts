import { assert, unreachable } from '../base/assert.ts'
import { isJoint, type Configuration } from './configuration.ts'
import type { InflightLimits } from './inflights.ts'
import { Progress } from './progress.ts'
import type { Membership } from './tracker.ts'
import type { ConfChangeSingle, RaftId } from './types.ts'

export type MembershipChange =
  | { readonly kind: 'changed'; readonly membership: Membership }
  | { readonly kind: 'refused'; readonly because: string }

interface Draft {
  readonly incoming: Set<RaftId>
  outgoing: Set<RaftId>
  readonly learners: Set<RaftId>
  learnersNext: Set<RaftId>
  autoLeave: boolean
  readonly progress: Map<RaftId, Progress>
}

/** Computes the membership that a change leads to, or says why it may not be made. */
export class ConfChanger {
  readonly #current: Membership
  readonly #limits: InflightLimits
  readonly #lastIndex: number

  /** Peers that join are probed from about `lastIndex` on: the end of the log as it is now. */
  constructor(current: Membership, limits: InflightLimits, lastIndex: number) {
    this.#current = current
    this.#limits = limits
    this.#lastIndex = lastIndex
  }

  /** A change of at most one voter, whose old and new majorities always meet. */
  simple(changes: readonly ConfChangeSingle[]): MembershipChange {
    if (isJoint(this.#current.configuration)) {
      return refused("can't apply simple config change in joint config")
    }
    const draft = this.#draft()
    this.#apply(draft, changes)
    if (draft.incoming.size === 0) return refused('removed all voters')
    if (countDifferences(draft.incoming, this.#current.configuration.incoming) > 1) {
      return refused('more than one voter changed without entering joint config')
    }
    return changed(draft)
  }

  /** The first half of any larger change: from now on both majorities must agree. */
  enterJoint(autoLeave: boolean, changes: readonly ConfChangeSingle[]): MembershipChange {
    const { configuration } = this.#current
    if (isJoint(configuration)) return refused('config is already joint')
    if (configuration.incoming.size === 0) {
      return refused("can't make a zero-voter config joint")
    }
    const draft = this.#draft()
    draft.outgoing = new Set(configuration.incoming)
    draft.autoLeave = autoLeave
    this.#apply(draft, changes)
    if (draft.incoming.size === 0) return refused('removed all voters')
    return changed(draft)
  }

  /** The second half: the outgoing majority is dismissed, and demoted voters become learners. */
  leaveJoint(): MembershipChange {
    if (!isJoint(this.#current.configuration)) return refused("can't leave a non-joint config")
    const draft = this.#draft()
    for (const id of draft.learnersNext) {
      draft.learners.add(id)
      const progress = draft.progress.get(id)
      assert(progress !== undefined, `no progress for ${id}`)
      progress.isLearner = true
    }
    draft.learnersNext = new Set()
    for (const id of draft.outgoing) {
      if (!draft.incoming.has(id) && !draft.learners.has(id)) draft.progress.delete(id)
    }
    draft.outgoing = new Set()
    draft.autoLeave = false
    return changed(draft)
  }

  #draft(): Draft {
    const { configuration, progress } = this.#current
    return {
      incoming: new Set(configuration.incoming),
      outgoing: new Set(configuration.outgoing),
      learners: new Set(configuration.learners),
      learnersNext: new Set(configuration.learnersNext),
      autoLeave: configuration.autoLeave,
      progress: new Map(Array.from(progress, ([id, peer]) => [id, peer.copy()])),
    }
  }

  #apply(draft: Draft, changes: readonly ConfChangeSingle[]): void {
    for (const { kind, node } of changes) {
      // 0 names nobody: callers cancel a change that they no longer want by zeroing it.
      if (node === 0) continue
      switch (kind) {
        case 'add-node':
          this.#makeVoter(draft, node)
          break
        case 'add-learner':
          this.#makeLearner(draft, node)
          break
        case 'remove-node':
          remove(draft, node)
          break
        case 'update-node':
          break
        default:
          unreachable(kind)
      }
    }
  }

  #makeVoter(draft: Draft, id: RaftId): void {
    const progress = draft.progress.get(id) ?? this.#join(draft, id, false)
    progress.isLearner = false
    draft.learners.delete(id)
    draft.learnersNext.delete(id)
    draft.incoming.add(id)
  }

  #makeLearner(draft: Draft, id: RaftId): void {
    const progress = draft.progress.get(id) ?? this.#join(draft, id, true)
    remove(draft, id)
    draft.progress.set(id, progress)
    if (draft.outgoing.has(id)) {
      draft.learnersNext.add(id)
    } else {
      progress.isLearner = true
      draft.learners.add(id)
    }
  }

  #join(draft: Draft, id: RaftId, isLearner: boolean): Progress {
    const next = Math.max(this.#lastIndex, 1)
    // A newcomer counts as active: else CheckQuorum would end the term in which it is added.
    const start = { match: 0, next, isLearner, isRecentlyActive: true }
    const progress = new Progress(start, this.#limits)
    draft.progress.set(id, progress)
    return progress
  }
}

function remove(draft: Draft, id: RaftId): void {
  draft.incoming.delete(id)
  draft.learners.delete(id)
  draft.learnersNext.delete(id)
  // An outgoing voter is still needed, and fed, until the joint configuration is left.
  if (!draft.outgoing.has(id)) draft.progress.delete(id)
}

function changed(draft: Draft): MembershipChange {
  const { progress, ...configuration } = draft
  checkMembership({ configuration, progress })
  return { kind: 'changed', membership: { configuration, progress } }
}

/** How many are in one of the two, but not in both. */
const countDifferences = (one: ReadonlySet<RaftId>, other: ReadonlySet<RaftId>): number =>
  countMissing(one, other) + countMissing(other, one)

const countMissing = (these: ReadonlySet<RaftId>, from: ReadonlySet<RaftId>): number =>
  [...these].filter((id) => !from.has(id)).length

const refused = (because: string): MembershipChange => ({ kind: 'refused', because })

/** What holds after every change, whoever asked for it. */
function checkMembership({ configuration, progress }: Membership): void {
  const { incoming, outgoing, learners, learnersNext, autoLeave }: Configuration = configuration
  for (const ids of [incoming, outgoing, learners, learnersNext]) {
    for (const id of ids) assert(progress.has(id), `no progress for ${id}`)
  }
  for (const id of learnersNext) {
    assert(outgoing.has(id), `${id} waits to be a learner, but is no outgoing voter`)
    assert(progress.get(id)?.isLearner === false, `${id} still votes, but is marked as learner`)
  }
  for (const id of learners) {
    assert(!incoming.has(id) && !outgoing.has(id), `${id} is learner and voter`)
    assert(progress.get(id)?.isLearner === true, `learner ${id} is not marked as one`)
  }
  if (!isJoint(configuration)) {
    assert(learnersNext.size === 0, 'nobody waits to be a learner outside of a joint configuration')
    assert(!autoLeave, 'there is nothing to leave outside of a joint configuration')
  }
}
