import { isSameContainer } from '../model/same-container.ts'
import type { ServiceView } from '../model/service-view.ts'
import type { TaskView } from '../model/task-view.ts'
import { extraDelayMs, quickFailures } from './back-off.ts'
import { endedAtMs, endedByItself, notBeforeMs, youngestFirst } from './task-times.ts'

/** How a task comes to its place. */
export type TaskStart =
  | { readonly kind: 'now' }
  /** Made and placed at once, so that the image is pulled meanwhile; started after the delay. */
  | { readonly kind: 'after'; readonly delayMs: number; readonly failures: number }

export type RestartDecision =
  | TaskStart
  /** Not even made before that. */
  | { readonly kind: 'later'; readonly atMs: number }
  | { readonly kind: 'never' }

/** Retained history bounds what can be counted; more attempts than this are no limit. */
export const countableAttempts = 1000

/** Whether a place gets another task, given all tasks that it had; the youngest decides. */
export function decideRestart(
  history: readonly TaskView[],
  service: ServiceView,
  nowMs: number,
): RestartDecision {
  const [last, ...earlier] = youngestFirst(history)
  if (last === undefined || !endedByItself(last)) return { kind: 'now' }
  // A settled place starts again when its service asks for something else.
  if (!isSameContainer(last.body.Spec, service.body.Spec.TaskTemplate)) return { kind: 'now' }
  const { condition, delayMs } = service.template.restart
  if (condition === 'none') return { kind: 'never' }
  if (condition === 'on-failure' && last.state === 'complete') return { kind: 'never' }
  if (attemptsAreUsedUp(last, earlier, service)) return { kind: 'never' }
  // It was rejected before it was due: who follows would be, too, as fast as tasks can be made.
  if (nowMs < notBeforeMs(last)) return { kind: 'later', atMs: notBeforeMs(last) }
  const failures = quickFailures(last)
  return { kind: 'after', delayMs: delayMs + extraDelayMs(failures), failures }
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
      isSameContainer(task.body.Spec, service.body.Spec.TaskTemplate),
  )
  return attempts.length >= maxAttempts
}
