import type { NodeId } from '../../mesh/base/ids.ts'
import type { TaskView } from '../model/task-view.ts'
import { countableAttempts } from './restart.ts'
import { youngestFirst } from './task-times.ts'
import { isEvidence, isUpdating } from './update-progress.ts'
import type { Worksheet } from './worksheet.ts'

export interface ReaperOptions {
  readonly lost: ReadonlySet<NodeId>
  /** Tasks kept in one place, the running one included; negative: all. */
  readonly historyLimit: number
}

/** Forgets tasks: those to be removed once they are over, and history beyond its limit. */
export function reapTasks(sheet: Worksheet, options: ReaperOptions): void {
  const places = new Map<string, TaskView[]>()
  for (const task of sheet.tasks()) {
    if (task.desired === 'remove' || hasNoPlace(sheet, task)) {
      if (isOver(task, options.lost)) sheet.deleteTask(task)
      continue
    }
    const place = `${task.serviceId} ${task.slot === 0 ? task.node : task.slot}`
    places.set(place, [...(places.get(place) ?? []), task])
  }
  for (const tasks of places.values()) reapHistory(sheet, tasks, options)
}

function reapHistory(
  sheet: Worksheet,
  tasks: readonly TaskView[],
  { lost, historyLimit }: ReaperOptions,
): void {
  if (historyLimit < 0) return
  const service = sheet.service(tasks[0]?.serviceId ?? '')
  if (service === undefined) return
  const attempts = service.template.restart.maxAttempts
  // What is still counted must not be forgotten.
  const counted = attempts > 0 && attempts <= countableAttempts ? attempts + 1 : 0
  const surplus = tasks.length - Math.max(historyLimit, counted)
  if (surplus <= 0) return
  // The youngest stays: it decides whether and when the place gets another task.
  const [, ...older] = youngestFirst(tasks)
  const evidence = isUpdating(service) && older.find((task) => isEvidence(task, service))
  const over = older
    .filter((task) => !task.isWanted && isOver(task, lost) && task !== evidence)
    .toReversed()
  for (const task of over.slice(0, surplus)) sheet.deleteTask(task)
}

/** The place of a global service's task is its node, and that was removed. */
const hasNoPlace = (sheet: Worksheet, task: TaskView): boolean =>
  task.slot === 0 && task.node !== null && sheet.node(task.node) === undefined

/** Nothing of it runs, as far as anybody will ever know. */
const isOver = (task: TaskView, lost: ReadonlySet<NodeId>): boolean =>
  task.hasEnded || task.node === null || lost.has(task.node)
