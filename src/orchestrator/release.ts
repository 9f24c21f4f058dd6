import type { NodeId } from '../../mesh/base/ids.ts'
import type { TaskView } from '../model/task-view.ts'
import { notBeforeMs } from './task-times.ts'
import type { Wake } from './wake.ts'
import type { Worksheet } from './worksheet.ts'

/**
 * Lets tasks start that were made ahead of their time: when their delay is over, and when nothing
 * else runs in their place any more. A lost node is not waited for: nobody can.
 */
export function releaseTasks(
  sheet: Worksheet,
  { lost, wake }: { readonly lost: ReadonlySet<NodeId>; readonly wake: Wake },
): void {
  for (const task of sheet.tasks()) {
    if (task.desired !== 'ready') continue
    const dueAtMs = notBeforeMs(task)
    if (sheet.nowMs < dueAtMs) wake.noLaterThan(dueAtMs)
    else if (!mustWait(sheet, task, lost)) sheet.patchTask(task, { DesiredState: 'running' })
  }
}

/** A service that says start-first has its tasks overlap; all others never have two in a place. */
function mustWait(sheet: Worksheet, task: TaskView, lost: ReadonlySet<NodeId>): boolean {
  if (sheet.service(task.serviceId)?.rollout.order === 'start-first') return false
  return sheet
    .tasksOf(task.serviceId)
    .some((other) => isEnding(other, lost) && sharesPlace(other, task))
}

/** It was told to stop and still runs, as far as we can know. */
export const isEnding = (task: TaskView, lost: ReadonlySet<NodeId>): boolean =>
  !task.isWanted && !task.hasEnded && task.node !== null && !lost.has(task.node)

const sharesPlace = (one: TaskView, other: TaskView): boolean =>
  one.slot === other.slot && (one.slot > 0 || one.node === other.node)
