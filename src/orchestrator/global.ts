import type { NodeId } from '../../mesh/base/ids.ts'
import type { NodeView } from '../model/node-view.ts'
import type { ServiceView } from '../model/service-view.ts'
import type { TaskView } from '../model/task-view.ts'
import { explain, type Explanation, type NodeRefusal } from './explain.ts'
import type { Needs } from './filters.ts'
import { createTask } from './new-task.ts'
import { satisfiesAll } from './outdated.ts'
import { type Create, lookAtPlace, type Place, reconcilePlace } from './place.ts'
import { lastingRefusal, type Placement } from './placement.ts'
import { stopTask } from './stop-task.ts'
import { type PlaceInProgress, takeTurns } from './turns.ts'
import { advanceUpdate } from './update.ts'
import { progressIn } from './update-progress.ts'
import type { Wake } from './wake.ts'
import type { Worksheet } from './worksheet.ts'

/**
 * Brings a service to one task on every node that fits. Such a task is made for its node and given
 * to it at once; a node that cannot take it now gets it when it can. The explanation says why fitting
 * nodes have none, or why no node fits; null when all is well.
 */
export function reconcileGlobal(
  sheet: Worksheet,
  service: ServiceView,
  given: { readonly placement: Placement; readonly wake: Wake },
): Explanation | null {
  const { placement, wake } = given
  const places = placesOf(sheet, service, placement)
  const after = advanceUpdate(sheet, service, { places: places.map(progressOf), wake })
  if (after.specVersion !== service.specVersion) return reconcileGlobal(sheet, after, given)
  const turns = takeTurns(after, places, { nowMs: sheet.nowMs, wake })
  const missing: NodeRefusal[] = []
  for (const { place, node } of places) {
    const refusal = placement.refusalOn(node, needsOf(after))
    const create: Create = (start, isUpdate) => {
      if (refusal !== null) missing.push(refusal)
      if (refusal !== null || sheet.isFull) return null
      const task = createTask(sheet, after, { slot: 0, start, isUpdate })
      return placement.assign(task, node)
    }
    if (place.isBlocked === true && refusal !== null) missing.push(refusal)
    reconcilePlace(sheet, after, place, { mayMove: turns.mayMove.has(place), create, wake })
  }
  return missing.length > 0 ? explain(missing) : whyNowhere(sheet.nodes(), after)
}

interface NodePlace extends PlaceInProgress {
  readonly node: NodeId
}

const progressOf = ({ progress }: NodePlace): NodePlace['progress'] => progress

/** Nodes that should have a task; what others have is stopped. */
function placesOf(sheet: Worksheet, service: ServiceView, placement: Placement): NodePlace[] {
  const onNode = groupByNode(sheet.tasksOf(service.id))
  return sheet.nodes().flatMap((node) => {
    const tasks = onNode.get(node.id) ?? []
    if (mustBeEmpty(node, service)) {
      for (const task of tasks.filter((one) => one.isWanted)) stopTask(sheet, task, causeOf(node))
      return []
    }
    const place = placeOn(sheet, service, { node, tasks, placement })
    return place.tasks.length === 0 && unfitness(node, service) !== null
      ? []
      : [{ node: node.id, place, progress: progressIn(place, service, sheet.nowMs) }]
  })
}

/** A paused node keeps what it has, outdated or not, as in Swarm. */
function placeOn(
  sheet: Worksheet,
  service: ServiceView,
  at: {
    readonly node: NodeView
    readonly tasks: readonly TaskView[]
    readonly placement: Placement
  },
): Place {
  const { node, tasks, placement } = at
  const place = lookAtPlace(sheet, service, { slot: 0, tasks })
  const [kept] = place.outdated
  if (kept === undefined || place.successor !== null) return place
  if (node.availability === 'pause') return { ...place, outdated: [], successor: kept }
  const refusal = placement.refusalOn(node.id, needsOf(service))
  const isUnready = refusal?.filter === 'readiness'
  const hasNoRoom = refusal !== null && service.rollout.order === 'start-first'
  return { ...place, isBlocked: isUnready || hasNoRoom }
}

function mustBeEmpty(node: NodeView, service: ServiceView): boolean {
  return node.availability === 'drain' || !satisfiesAll(node, service.template.constraints)
}

/** Why no node at all fits; null when one does. */
function whyNowhere(nodes: readonly NodeView[], service: ServiceView): Explanation | null {
  const refusals = nodes.flatMap((node) => unfitness(node, service) ?? [])
  return refusals.length === nodes.length ? explain(refusals) : null
}

/** Why a node must not have a task of this service; null when it should have one. */
function unfitness(node: NodeView, service: ServiceView): NodeRefusal | null {
  if (node.availability === 'drain') return { filter: 'availability', reason: 'drained' }
  return lastingRefusal(node, needsOf(service))
}

const causeOf = (node: NodeView): 'node-drained' | 'not-eligible' =>
  node.availability === 'drain' ? 'node-drained' : 'not-eligible'

const needsOf = (service: ServiceView): Needs => ({
  serviceId: service.id,
  spec: service.template,
  slot: 0,
})

function groupByNode(tasks: readonly TaskView[]): Map<NodeId, TaskView[]> {
  const groups = new Map<NodeId, TaskView[]>()
  for (const task of tasks) {
    if (task.node === null || task.desired === 'remove') continue
    groups.set(task.node, [...(groups.get(task.node) ?? []), task])
  }
  return groups
}
