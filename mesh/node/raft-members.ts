import type { ConfChangeSingle, RaftId } from '../raft/types.ts'

/** How far behind the leader a learner may be and still become a voter. */
const caughtUpEntries = 100

export interface MemberProgress {
  readonly id: RaftId
  readonly match: number
  readonly isRecentlyActive: boolean
}

/** What a leader sees when it compares who should be in the Raft group with who is. */
export interface MembershipView {
  readonly self: RaftId
  readonly voters: ReadonlySet<RaftId>
  readonly learners: ReadonlySet<RaftId>
  readonly managers: ReadonlySet<RaftId>
  readonly progress: readonly MemberProgress[]
  readonly lastIndex: number
}

export type MembershipStep =
  | { readonly kind: 'change'; readonly change: ConfChangeSingle }
  | { readonly kind: 'hand-over'; readonly to: RaftId }

/**
 * The next step towards the managers that the catalog names; null when nothing is to be done now.
 * One step at a time, each from scratch: a lost step, or a new leader, repeats nothing wrong.
 */
export function nextMembershipStep(view: MembershipView): MembershipStep | null {
  return removal(view) ?? admission(view) ?? promotion(view)
}

/** Of the voters that may lead, the one that has most of the log; null when there is none. */
export function pickSuccessor(view: MembershipView): RaftId | null {
  const candidates = view.progress.filter(
    ({ id, isRecentlyActive }) =>
      id !== view.self && isRecentlyActive && view.voters.has(id) && view.managers.has(id),
  )
  const [best] = candidates.toSorted((left, right) => right.match - left.match)
  return best?.id ?? null
}

function removal(view: MembershipView): MembershipStep | null {
  const members = [...view.learners, ...view.voters]
  const surplus = members.find((id) => !view.managers.has(id) && id !== view.self)
  if (surplus !== undefined) return change('remove-node', surplus)
  if (view.managers.has(view.self)) return null
  // A leader that is no manager any more goes by itself, but never leaves nobody behind.
  const successor = pickSuccessor(view)
  return successor === null ? null : { kind: 'hand-over', to: successor }
}

/** As a learner first: a voter with an empty log would only make majorities harder to reach. */
function admission(view: MembershipView): MembershipStep | null {
  const missing = [...view.managers].find((id) => !view.voters.has(id) && !view.learners.has(id))
  return missing === undefined ? null : change('add-learner', missing)
}

function promotion(view: MembershipView): MembershipStep | null {
  const ready = view.progress.find(
    ({ id, match, isRecentlyActive }) =>
      view.learners.has(id) &&
      view.managers.has(id) &&
      isRecentlyActive &&
      // One that never answered counts as active at first, and in a short log as caught up.
      match > 0 &&
      match + caughtUpEntries >= view.lastIndex,
  )
  return ready === undefined ? null : change('add-node', ready.id)
}

const change = (kind: ConfChangeSingle['kind'], node: RaftId): MembershipStep => ({
  kind: 'change',
  change: { kind, node },
})
