import { parseRfc3339 } from '../model/rfc3339.ts'
import type { TaskView } from '../model/task-view.ts'

/** Only of a task that ended. */
export const endedAtMs = (task: TaskView): number =>
  parseRfc3339(task.body.Status.Timestamp) ?? task.updatedAtMs

/** When it was first seen running; null when it never was. */
export const runningAtMs = ({ body: { RunningAt } }: TaskView): number | null =>
  RunningAt === undefined ? null : parseRfc3339(RunningAt)

/** When its restart delay is over; 0 when it waits for none. */
export const notBeforeMs = ({ body: { NotBefore } }: TaskView): number =>
  NotBefore === undefined ? 0 : (parseRfc3339(NotBefore) ?? 0)

/** How long it ran; 0 when nobody ever saw it running. */
export function ranForMs(task: TaskView): number {
  const since = runningAtMs(task)
  return since === null ? 0 : Math.max(0, endedAtMs(task) - since)
}

/** Not because somebody asked it to. */
export const endedByItself = (task: TaskView): boolean => task.hasEnded && task.stopCause === null

export const youngestFirst = (tasks: readonly TaskView[]): TaskView[] =>
  [...tasks].sort((left, right) => {
    const age = right.createdAtMs - left.createdAtMs || right.generation - left.generation
    return age || (left.id < right.id ? 1 : -1)
  })
