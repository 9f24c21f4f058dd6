import { parseRfc3339 } from '../model/rfc3339.ts'
import type { ServiceView } from '../model/service-view.ts'
import type { TaskView } from '../model/task-view.ts'
import { isOutdated } from './outdated.ts'
import { endedAtMs, endedByItself, ranForMs, runningAtMs, youngestFirst } from './task-times.ts'

/** How long a replaced task may take to run before its place counts as failed. */
const defaultDeadlineMs = 600_000

/** How far an update is in one place: a slot, or a node of a global service. */
export interface UpdateProgress {
  /** Its task is still to be replaced, or the one that ended there. */
  readonly isWaiting: boolean
  /** It is, or was, a part of this update. */
  readonly isTouched: boolean
  /** It counts against the parallelism; until then, or for as long as it takes when null. */
  readonly isBusy: boolean
  readonly freeAtMs: number | null
  /** From when on the update need not wait for it; null: nobody knows yet. */
  readonly doneAtMs: number | null
  readonly failure: UpdateFailure | null
  /** When it will have failed for want of progress. */
  readonly deadlineAtMs: number | null
}

export interface UpdateFailure {
  readonly kind: 'ended-early' | 'no-progress'
  readonly task: TaskView
}

export interface PlaceOfUpdate {
  readonly tasks: readonly TaskView[]
  /** Wanted tasks that have to be replaced. */
  readonly outdated: readonly TaskView[]
  /** The task that takes, or has taken, their place. */
  readonly successor: TaskView | null
  /** No successor can be made for it now. */
  readonly isBlocked?: boolean
}

/** Places are being changed over, forwards or back. */
export function isUpdating({ updateStatus }: ServiceView): boolean {
  return updateStatus?.State === 'updating' || updateStatus?.State === 'rollback_started'
}

/** Told from tasks alone, so that any leader sees the same. */
export function progressIn(
  place: PlaceOfUpdate,
  service: ServiceView,
  nowMs: number,
): UpdateProgress {
  const { tasks, outdated, successor } = place
  const made = tasks.filter((task) => isMadeBy(task, service))
  const isEmpty = tasks.every((task) => !task.isWanted)
  const isVacant = isEmpty && awaitsFirst(tasks, service)
  // What stands beside a successor that runs is stopped in the same pass.
  const isWaiting = isVacant || (outdated.length > 0 && successor?.state !== 'running')
  const isChanging = isWaiting && successor !== null
  const isBegun = made.length > 0 || isVacant || isChanging
  const pending = pendingSince(place, service, { isBegun, isVacant })
  const deadlineAtMs = pending === null ? null : pending.sinceMs + deadlineMs(service)
  const failure = failureOf(made, service) ?? overdue(pending, deadlineAtMs, nowMs)
  const isTryingAgain = isChanging && failure?.kind === 'ended-early'
  const standing = { failure, service, isVacant }
  const freeAtMs = isBegun ? freeAt(successor, standing) : 0
  return {
    isWaiting,
    isTouched: isBegun || isWaiting,
    isBusy: freeAtMs === null || nowMs < freeAtMs || isTryingAgain,
    freeAtMs,
    doneAtMs: isWaiting ? null : isBegun ? doneAt(successor, standing) : 0,
    failure,
    deadlineAtMs: failure === null ? deadlineAtMs : null,
  }
}

export const isMadeBy = (task: TaskView, service: ServiceView): boolean =>
  task.body.IsUpdate === true && task.specVersion === service.specVersion

/** Whether a task shows that the update failed in its place; such a one is not forgotten meanwhile. */
export const isEvidence = (task: TaskView, service: ServiceView): boolean =>
  isMadeBy(task, service) &&
  endedByItself(task) &&
  (runningAtMs(task) === null || ranForMs(task) < service.rollout.monitorMs)

/**
 * The last task here was replaced, or ended and was not what the service asks for now: the next one
 * is the first that shows whether this works.
 */
export function awaitsFirst(tasks: readonly TaskView[], service: ServiceView): boolean {
  const [youngest] = youngestFirst(tasks)
  if (youngest === undefined) return false
  return youngest.stopCause === 'updated' || isOutdated(youngest, service, undefined)
}

interface Pending {
  readonly task: TaskView
  readonly sinceMs: number
}

/** What the place waits for, and since when; null when it waits for nothing. */
function pendingSince(
  { tasks, outdated, successor, isBlocked = false }: PlaceOfUpdate,
  service: ServiceView,
  { isBegun, isVacant }: { readonly isBegun: boolean; readonly isVacant: boolean },
): Pending | null {
  const [youngest] = youngestFirst(tasks)
  if (isVacant && youngest !== undefined) {
    return { task: youngest, sinceMs: Math.max(youngest.updatedAtMs, startedAtMs(service)) }
  }
  if (isBegun && successor !== null && successor.state !== 'running') {
    return { task: successor, sinceMs: successor.createdAtMs }
  }
  const [first] = outdated
  if (!isBlocked || first === undefined || successor !== null) return null
  return { task: first, sinceMs: startedAtMs(service) }
}

const deadlineMs = (service: ServiceView): number =>
  service.mesh.updateDeadlineMs ?? defaultDeadlineMs

function failureOf(made: readonly TaskView[], service: ServiceView): UpdateFailure | null {
  const task = made.find((one) => isEvidence(one, service))
  return task === undefined ? null : { kind: 'ended-early', task }
}

function overdue(
  pending: Pending | null,
  deadlineAtMs: number | null,
  nowMs: number,
): UpdateFailure | null {
  if (pending === null || deadlineAtMs === null || nowMs < deadlineAtMs) return null
  return { kind: 'no-progress', task: pending.task }
}

interface Standing {
  readonly failure: UpdateFailure | null
  readonly service: ServiceView
  readonly isVacant: boolean
}

function freeAt(
  successor: TaskView | null,
  { failure, service, isVacant }: Standing,
): number | null {
  const { delayMs } = service.rollout
  if (failure !== null) return failedAtMs(failure) + delayMs
  if (successor === null) return isVacant ? null : 0
  return successor.state === 'running' ? sinceMs(successor) + delayMs : null
}

function doneAt(
  successor: TaskView | null,
  { failure, service, isVacant }: Standing,
): number | null {
  const { delayMs, monitorMs } = service.rollout
  if (failure !== null) return failedAtMs(failure) + monitorMs
  if (successor === null) return isVacant ? null : 0
  return successor.state === 'running' ? sinceMs(successor) + Math.max(delayMs, monitorMs) : null
}

/** One that only takes too long holds nothing up any more. */
const failedAtMs = ({ kind, task }: UpdateFailure): number =>
  kind === 'ended-early' ? endedAtMs(task) : Number.NEGATIVE_INFINITY

const sinceMs = (task: TaskView): number => runningAtMs(task) ?? task.createdAtMs

function startedAtMs(service: ServiceView): number {
  const started = parseRfc3339(service.updateStatus?.StartedAt ?? '')
  return started ?? service.updatedAtMs
}
