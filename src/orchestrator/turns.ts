import type { ServiceView } from '../model/service-view.ts'
import type { TaskView } from '../model/task-view.ts'
import { isOutdated } from './outdated.ts'
import { outgoingOf, type Place } from './place.ts'
import { decideRestart } from './restart.ts'
import { youngestFirst } from './task-times.ts'
import { isUpdating, type UpdateProgress } from './update-progress.ts'
import type { Wake } from './wake.ts'

/**
 * How long a task of a drained node may wait for its successor to run. The operator wants the node
 * empty: a successor that cannot be placed or does not start holds that up no longer than this.
 */
const successorPatienceMs = 60_000

export interface PlaceInProgress {
  readonly place: Place
  readonly progress: UpdateProgress
}

export interface Turns {
  /** Places whose task may be replaced now. */
  readonly mayMove: ReadonlySet<Place>
  /** Places of drained nodes that were given long enough. */
  readonly mustLeave: ReadonlySet<Place>
}

/** Updates and drains together change at most `parallelism` places of a service at a time. */
export function takeTurns(
  service: ServiceView,
  all: readonly PlaceInProgress[],
  { nowMs, wake }: { readonly nowMs: number; readonly wake: Wake },
): Turns {
  const waits = new Map(all.map(({ place }) => [place, successorSince(place, service)]))
  for (const sinceMs of waits.values()) {
    const dueAtMs = (sinceMs ?? nowMs) + successorPatienceMs
    if (sinceMs !== null && nowMs < dueAtMs) wake.noLaterThan(dueAtMs)
  }
  const isOverdue = (place: Place): boolean =>
    nowMs >= (waits.get(place) ?? nowMs) + successorPatienceMs
  // Where one finds no node, the others would wait for none.
  const isHopeless = all.some(
    ({ place: { successor } }) =>
      successor?.node === null && nowMs >= successor.createdAtMs + successorPatienceMs,
  )
  const leaving = all.flatMap(({ place }) => (place.leaving.length > 0 ? [place] : []))
  const mustLeave = new Set(leaving.filter((place) => isHopeless || isOverdue(place)))
  const isMoving = (place: Place): boolean =>
    place.successor !== null && waits.get(place) !== null && !isOverdue(place)
  const busy = all.filter(({ place, progress }) => progress.isBusy || isMoving(place))
  const free = Math.max(0, service.rollout.parallelism - busy.length)
  const waiting = all
    .filter(({ place }) => awaitsItsTurn(place, service, nowMs) && !mustLeave.has(place))
    .sort(byNeed)
  return { mayMove: new Set(waiting.slice(0, free).map(({ place }) => place)), mustLeave }
}

function awaitsItsTurn(place: Place, service: ServiceView, nowMs: number): boolean {
  if (place.successor !== null || place.isBlocked === true) return false
  if (place.leaving.length > 0) return true
  if (place.outdated.length === 0 || !isUpdating(service)) return false
  const [youngest] = youngestFirst(place.tasks)
  const isFirstTry = youngest === undefined || outgoingOf(place).includes(youngest)
  return isFirstTry || decideRestart(place.tasks, service, nowMs).kind !== 'never'
}

/** Places that serve nobody lose nothing; where it failed already it may well fail again. */
function byNeed(left: PlaceInProgress, right: PlaceInProgress): number {
  return (
    Number(hasFailed(left)) - Number(hasFailed(right)) ||
    Number(isServing(left)) - Number(isServing(right)) ||
    left.place.slot - right.place.slot
  )
}

const hasFailed = ({ progress }: PlaceInProgress): boolean => progress.failure !== null

const isServing = ({ place }: PlaceInProgress): boolean =>
  outgoingOf(place).some((task) => task.state === 'running')

/**
 * Since when a drained task's successor was to run, the first one where several failed; null where
 * nobody waits for one.
 */
function successorSince({ tasks, leaving, successor }: Place, service: ServiceView): number | null {
  if (successor?.state === 'running') return null
  const left = leaving.length > 0 ? leaving : justDrained(tasks, successor)
  if (left.length === 0) return null
  const leftAtMs = Math.max(...left.map((task) => task.createdAtMs))
  const later = tasks.filter(
    (task) =>
      task.createdAtMs >= leftAtMs && !left.includes(task) && !isOutdated(task, service, undefined),
  )
  return later.length === 0 ? null : Math.min(...later.map((task) => task.createdAtMs))
}

/** The task that had to stop before its successor could start. */
function justDrained(tasks: readonly TaskView[], successor: TaskView | null): TaskView[] {
  if (successor === null) return []
  const [before] = youngestFirst(tasks.filter((task) => task !== successor))
  return before?.stopCause === 'node-drained' ? [before] : []
}
