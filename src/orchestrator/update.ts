import type { UpdateStatus } from '../model/docker.ts'
import { rfc3339 } from '../model/rfc3339.ts'
import { rollBack } from '../model/rollback.ts'
import type { ServiceView } from '../model/service-view.ts'
import { taskName } from '../model/task-view.ts'
import { isUpdating, type UpdateFailure, type UpdateProgress } from './update-progress.ts'
import type { Wake } from './wake.ts'
import type { Worksheet } from './worksheet.ts'

/**
 * Begins an update, ends it, or has it fail, as its places say. The service comes back as it is then;
 * with another spec version when it was rolled back.
 */
export function advanceUpdate(
  sheet: Worksheet,
  service: ServiceView,
  { places, wake }: { readonly places: readonly UpdateProgress[]; readonly wake: Wake },
): ServiceView {
  if (!isUpdating(service)) return mayBegin(service, places) ? begin(sheet, service) : service
  const failed = failureOfAll(places, service)
  if (failed !== null) return fail(sheet, service, failed)
  const dueAtMs = completeAtMs(places)
  if (dueAtMs !== null && dueAtMs <= sheet.nowMs) return complete(sheet, service)
  wakeFor(places, { wake, dueAtMs, nowMs: sheet.nowMs })
  return service
}

/** One that is paused waits for the operator. */
function mayBegin({ updateStatus }: ServiceView, places: readonly UpdateProgress[]): boolean {
  const isPaused = updateStatus?.State.endsWith('paused') === true
  return !isPaused && places.some((place) => place.isWaiting)
}

function begin(sheet: Worksheet, service: ServiceView): ServiceView {
  const StartedAt = rfc3339(sheet.nowMs)
  return setStatus(sheet, service, { State: 'updating', StartedAt, Message: 'update in progress' })
}

/** The failure that is one too many. */
function failureOfAll(
  places: readonly UpdateProgress[],
  { rollout }: ServiceView,
): UpdateFailure | null {
  if (rollout.onFailure === 'continue') return null
  const touched = places.filter((place) => place.isTouched).length
  const failures = places.flatMap((place) => place.failure ?? [])
  return failures.length > touched * rollout.maxFailureRatio ? (failures.at(-1) ?? null) : null
}

function fail(sheet: Worksheet, service: ServiceView, failure: UpdateFailure): ServiceView {
  const isRollback = service.updateStatus?.State === 'rollback_started'
  // What is rolled back is never rolled back again.
  if (isRollback || service.rollout.onFailure !== 'rollback') {
    return pause(sheet, service, `${isRollback ? 'rollback' : 'update'} paused ${because(failure)}`)
  }
  const message = `update rolled back ${because(failure)}`
  const rolledBack = rollBack(service.body, {
    id: service.id,
    catalog: sheet.catalog,
    random: sheet.random,
    status: { ...statusOf(service, sheet.nowMs), State: 'rollback_started', Message: message },
    isByHand: false,
  })
  if (rolledBack.kind === 'rolled-back') {
    return sheet.replaceService(service, rolledBack.body, rolledBack.claims)
  }
  const problem = `it cannot be rolled back: ${rolledBack.problem}`
  return pause(sheet, service, `update paused ${because(failure)}; ${problem}`)
}

/** In Swarm's words, where it has any. */
function because({ kind, task }: UpdateFailure): string {
  if (kind === 'ended-early') return `due to failure or early termination of task ${task.id}`
  const { Err, Message = '' } = task.body.Status
  const name = `task ${task.id} (${taskName(task)})`
  return `because ${name} did not run in time: ${Err ?? `${task.state}, ${Message}`}`
}

function pause(sheet: Worksheet, service: ServiceView, Message: string): ServiceView {
  const status = statusOf(service, sheet.nowMs)
  const State = status.State === 'rollback_started' ? 'rollback_paused' : 'paused'
  return setStatus(sheet, service, { ...status, State, Message })
}

/** When the last place is done; null when there is one that nobody knows of. */
function completeAtMs(places: readonly UpdateProgress[]): number | null {
  let latest = Number.NEGATIVE_INFINITY
  for (const { doneAtMs } of places) {
    if (doneAtMs === null) return null
    latest = Math.max(latest, doneAtMs)
  }
  return latest
}

function complete(sheet: Worksheet, service: ServiceView): ServiceView {
  const status = statusOf(service, sheet.nowMs)
  const isRollback = status.State === 'rollback_started'
  return setStatus(sheet, service, {
    ...status,
    State: isRollback ? 'rollback_completed' : 'completed',
    CompletedAt: rfc3339(sheet.nowMs),
    Message: isRollback ? rollbackCompleted(status.Message) : 'update completed',
  })
}

/** Why it came to that is worth knowing afterwards, where nobody asked for it. */
const rollbackCompleted = (message: string): string =>
  message.startsWith('update') ? `rollback completed: ${message}` : 'rollback completed'

function wakeFor(
  places: readonly UpdateProgress[],
  { wake, dueAtMs, nowMs }: { readonly wake: Wake; readonly dueAtMs: number | null; nowMs: number },
): void {
  for (const { freeAtMs, deadlineAtMs } of places) {
    for (const atMs of [freeAtMs, deadlineAtMs]) {
      if (atMs !== null && atMs > nowMs) wake.noLaterThan(atMs)
    }
  }
  if (dueAtMs !== null) wake.noLaterThan(dueAtMs)
}

const statusOf = ({ updateStatus }: ServiceView, nowMs: number): UpdateStatus =>
  updateStatus ?? { State: 'updating', StartedAt: rfc3339(nowMs), Message: '' }

const setStatus = (sheet: Worksheet, service: ServiceView, status: UpdateStatus): ServiceView =>
  sheet.replaceService(service, { ...service.body, UpdateStatus: status })
