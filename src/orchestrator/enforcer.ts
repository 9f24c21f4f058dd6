import type { ServiceView } from '../model/service-view.ts'
import { sameJson } from '../model/same-json.ts'
import type { TaskView } from '../model/task-view.ts'
import { isOutdated } from './outdated.ts'
import { lastingRefusal } from './placement.ts'
import { stopTask } from './stop-task.ts'
import type { Worksheet } from './worksheet.ts'

/**
 * Stops tasks whose node is no longer what they were placed for. A task that needs no replacement
 * when its service changes takes over where it may run, so that it is judged by that from then on.
 */
export function enforcePlacement(sheet: Worksheet): void {
  for (const service of sheet.services()) {
    for (const task of sheet.tasksOf(service.id)) {
      if (task.isWanted) enforce(sheet, service, task)
    }
  }
}

function enforce(sheet: Worksheet, service: ServiceView, task: TaskView): void {
  const node = task.node === null ? undefined : sheet.node(task.node)
  if (node !== undefined && lastingRefusal(node, task) !== null) {
    stopTask(sheet, task, 'not-eligible')
    return
  }
  const { Placement: wanted } = service.body.Spec.TaskTemplate
  const { Placement: _own, ...rest } = task.body.Spec
  if (sameJson(task.body.Spec.Placement, wanted) || isOutdated(task, service, node)) return
  sheet.patchTask(task, { Spec: { ...rest, ...(wanted !== undefined && { Placement: wanted }) } })
}
