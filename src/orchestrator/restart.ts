import { parseRfc3339 } from '../model/rfc3339.ts'
import { sameJson } from '../model/same-json.ts'
import type { ServiceView } from '../model/service-view.ts'
import type { TaskView } from '../model/task-view.ts'
import type { Wake } from './wake.ts'
import type { Worksheet } from './worksheet.ts'

export type RestartDecision =
  | { readonly kind: 'now' }
  /** Made and placed at once, so that the image is pulled meanwhile; started after the delay. */
  | { readonly kind: 'after'; readonly delayMs: number }
  | { readonly kind: 'never' }

/** Retained history bounds what can be counted; more attempts than this are no limit. */
export const countableAttempts = 1000

/** Whether a place gets another task, given all tasks that it had; the youngest decides. */
export function decideRestart(history: readonly TaskView[], service: ServiceView): RestartDecision {
  const [last, ...earlier] = youngestFirst(history)
  if (last === undefined || !endedByItself(last)) return { kind: 'now' }
  // A settled place starts again when its service asks for something else.
  if (!sameJson(last.body.Spec, service.body.Spec.TaskTemplate)) return { kind: 'now' }
  const { condition, delayMs } = service.template.restart
  if (condition === 'none') return { kind: 'never' }
  if (condition === 'on-failure' && last.state === 'complete') return { kind: 'never' }
  if (attemptsAreUsedUp(last, earlier, service)) return { kind: 'never' }
  return { kind: 'after', delayMs }
}

/** The window looks back from the last end, so the answer does not change while time passes. */
function attemptsAreUsedUp(
  last: TaskView,
  earlier: readonly TaskView[],
  service: ServiceView,
): boolean {
  const { maxAttempts, windowMs } = service.template.restart
  if (maxAttempts === 0 || maxAttempts > countableAttempts) return false
  const sinceMs = windowMs === 0 ? Number.NEGATIVE_INFINITY : endedAtMs(last) - windowMs
  const attempts = earlier.filter(
    (task) =>
      endedByItself(task) &&
      endedAtMs(task) >= sinceMs &&
      sameJson(task.body.Spec, service.body.Spec.TaskTemplate),
  )
  return attempts.length >= maxAttempts
}

/** Starts tasks whose restart delay is over. */
export function promoteDelayed(
  sheet: Worksheet,
  services: ReadonlyMap<string, ServiceView>,
  wake: Wake,
): void {
  for (const task of sheet.tasks()) {
    if (task.desired !== 'ready') continue
    const delayMs = services.get(task.serviceId)?.template.restart.delayMs ?? 0
    const dueAtMs = task.createdAtMs + delayMs
    if (sheet.nowMs >= dueAtMs) sheet.patchTask(task, { DesiredState: 'running' })
    else wake.noLaterThan(dueAtMs)
  }
}

export const youngestFirst = (tasks: readonly TaskView[]): TaskView[] =>
  [...tasks].sort((left, right) => {
    const age = right.createdAtMs - left.createdAtMs || right.generation - left.generation
    return age || (left.id < right.id ? 1 : -1)
  })

const endedByItself = (task: TaskView): boolean => task.hasEnded && task.stopCause === null

const endedAtMs = (task: TaskView): number =>
  parseRfc3339(task.body.Status.Timestamp) ?? task.updatedAtMs
