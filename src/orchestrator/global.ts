import type { NodeId } from '../../mesh/base/ids.ts'
import type { NodeView } from '../model/node-view.ts'
import type { ServiceView } from '../model/service-view.ts'
import type { TaskView } from '../model/task-view.ts'
import { explain, type Explanation, type NodeRefusal } from './explain.ts'
import { createTask } from './new-task.ts'
import type { Placement } from './placement.ts'
import { allButBest } from './replicated.ts'
import { decideRestart } from './restart.ts'
import { stopTask } from './stop-task.ts'
import type { Worksheet } from './worksheet.ts'

/**
 * Brings a service to one task on every node that fits. Such a task is made for its node and given
 * to it at once; a node that cannot take it now gets it when it can. The explanation says why fitting
 * nodes have none, or why no node fits; null when all is well.
 */
export function reconcileGlobal(
  sheet: Worksheet,
  service: ServiceView,
  placement: Placement,
): Explanation | null {
  const onNode = groupByNode(sheet.tasksOf(service.id))
  const missing: NodeRefusal[] = []
  for (const node of sheet.nodes()) {
    const tasks = onNode.get(node.id) ?? []
    const wanted = tasks.filter((task) => task.isWanted)
    for (const task of allButBest(wanted)) stopTask(sheet, task, 'superseded')
    if (unfitness(node, service, placement) !== null) {
      for (const task of wanted) stopTask(sheet, task, causeOf(node))
    } else if (wanted.length === 0) {
      const refusal = startOn(sheet, { service, node, tasks, placement })
      if (refusal !== null) missing.push(refusal)
    }
  }
  return missing.length > 0 ? explain(missing) : whyNowhere(sheet.nodes(), service, placement)
}

/** Why no node at all fits; null when one does. */
function whyNowhere(
  nodes: readonly NodeView[],
  service: ServiceView,
  placement: Placement,
): Explanation | null {
  const refusals = nodes.flatMap((node) => unfitness(node, service, placement) ?? [])
  return refusals.length === nodes.length ? explain(refusals) : null
}

function startOn(
  sheet: Worksheet,
  place: {
    readonly service: ServiceView
    readonly node: NodeView
    readonly tasks: readonly TaskView[]
    readonly placement: Placement
  },
): NodeRefusal | null {
  const { service, node, tasks, placement } = place
  const start = decideRestart(tasks, service)
  if (start.kind === 'never') return null
  const refusal = placement.refusalOn(node.id, needsOf(service))
  if (refusal !== null) return refusal
  placement.assign(createTask(sheet, service, { slot: 0, start }), node.id)
  return null
}

/** Why a node must not have a task of this service; null when it should have one. */
function unfitness(node: NodeView, service: ServiceView, placement: Placement): NodeRefusal | null {
  if (node.availability === 'drain') return { filter: 'availability', reason: 'drained' }
  return placement.lastingRefusalOn(node.id, needsOf(service))
}

const causeOf = (node: NodeView): 'node-drained' | 'not-eligible' =>
  node.availability === 'drain' ? 'node-drained' : 'not-eligible'

const needsOf = (service: ServiceView): { serviceId: string; spec: ServiceView['template'] } => ({
  serviceId: service.id,
  spec: service.template,
})

function groupByNode(tasks: readonly TaskView[]): Map<NodeId, TaskView[]> {
  const groups = new Map<NodeId, TaskView[]>()
  for (const task of tasks) {
    if (task.node === null || task.desired === 'remove') continue
    groups.set(task.node, [...(groups.get(task.node) ?? []), task])
  }
  return groups
}
