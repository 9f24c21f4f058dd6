import { sameJson } from '../model/same-json.ts'
import type { NodeView } from '../model/node-view.ts'
import type { ServiceView } from '../model/service-view.ts'
import type { TaskView } from '../model/task-view.ts'
import { isOutdated } from './outdated.ts'
import { lastingRefusal } from './placement.ts'
import { stopTask } from './stop-task.ts'
import type { Worksheet } from './worksheet.ts'

/**
 * Stops tasks whose node is no longer what they were placed for, or has too little by now for all
 * that it was given. A task that needs no replacement when its service changes takes over where it
 * may run, so that it is judged by that from then on. As in Swarm, a paused node keeps what it has,
 * and a drained one is emptied in its own way.
 */
export function enforcePlacement(sheet: Worksheet): void {
  for (const service of sheet.services()) {
    for (const task of sheet.tasksOf(service.id)) {
      if (task.isWanted) followPlacement(sheet, service, task)
    }
  }
  const onNodes = Map.groupBy(
    sheet.tasks().filter((task) => task.isWanted && sheet.service(task.serviceId) !== undefined),
    (task) => task.node,
  )
  for (const node of sheet.nodes()) {
    if (node.availability !== 'active') continue
    for (const task of misplaced(node, onNodes.get(node.id) ?? [])) {
      stopTask(sheet, task, 'not-eligible')
    }
  }
}

function followPlacement(sheet: Worksheet, service: ServiceView, task: TaskView): void {
  const node = task.node === null ? undefined : sheet.node(task.node)
  const { Placement: wanted } = service.body.Spec.TaskTemplate
  const { Placement: own, ...rest } = task.body.Spec
  if (sameJson(own, wanted) || isOutdated(task, service, node)) return
  sheet.patchTask(task, { Spec: { ...rest, ...(wanted !== undefined && { Placement: wanted }) } })
}

/** Whoever came first keeps its room; the oldest tasks are the first of the list. */
function misplaced(node: NodeView, tasks: readonly TaskView[]): TaskView[] {
  let { nanoCpus, memoryBytes } = node.resources
  return tasks.filter((task) => {
    if (lastingRefusal(node, task) !== null) return true
    const { reservations } = task.spec
    if (reservations.nanoCpus > nanoCpus || reservations.memoryBytes > memoryBytes) return true
    nanoCpus -= reservations.nanoCpus
    memoryBytes -= reservations.memoryBytes
    return false
  })
}
