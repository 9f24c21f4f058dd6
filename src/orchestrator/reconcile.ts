import type { NodeId } from '../../mesh/base/ids.ts'
import type { Random } from '../../mesh/base/random.ts'
import type { Change } from '../../mesh/catalog/types.ts'
import { unreachable } from '../../mesh/base/assert.ts'
import { clusterOf } from '../model/cluster-view.ts'
import type { ClusterView } from '../model/observed.ts'
import type { ServiceView } from '../model/service-view.ts'
import { enforcePlacement } from './enforcer.ts'
import type { Explanation } from './explain.ts'
import { reconcileGlobal } from './global.ts'
import { findLostNodes } from './lost-nodes.ts'
import type { OrchestratorMemory } from './memory.ts'
import { updateNodes } from './node-status.ts'
import { adoptObservedStatus } from './observed-status.ts'
import { Placement, placeTasks } from './placement.ts'
import { releaseTasks } from './release.ts'
import { reconcileReplicated } from './replicated.ts'
import { removeTask, stopTask } from './stop-task.ts'
import { reapTasks } from './task-reaper.ts'
import { Wake } from './wake.ts'
import { Worksheet } from './worksheet.ts'

export interface ReconcileInput {
  readonly view: ClusterView
  /** The leader's wall clock. */
  readonly nowMs: number
  readonly random: Random
  readonly memory: OrchestratorMemory
}

export interface Reconciled {
  /** One transaction; empty when the cluster is as it should be. */
  readonly changes: readonly Change[]
  /** When to look again although nothing changed; null when nothing is waited for. */
  readonly wakeAtMs: number | null
  readonly memory: OrchestratorMemory
  /** Why tasks wait for a node, by task id and by service id. */
  readonly explanations: ReadonlyMap<string, Explanation>
}

const defaultHistoryLimit = 5

/**
 * What has to change so that what is becomes what is wanted. Looks at states, never at events: asked
 * again about the same view it answers the same, and about the view after its own changes nothing.
 */
export function reconcile({ view, nowMs, random, memory }: ReconcileInput): Reconciled {
  const sheet = new Worksheet(view.catalog, { nowMs, random })
  const wake = new Wake()
  adoptObservedStatus(sheet, view.observed)
  const found = findLostNodes(sheet, view.observed, { memory, wake })
  updateNodes(sheet, view.observed, found.memory)
  retireTasks(sheet, found.lost)
  removeTasksWithoutService(sheet)
  enforcePlacement(sheet)
  const explanations = reconcileServices(sheet, view, wake)
  // A silent node on which this pass left nothing to run is not waited for either.
  const { lost, memory: next } = findLostNodes(sheet, view.observed, { memory: found.memory, wake })
  releaseTasks(sheet, { lost, wake })
  const historyLimit = clusterOf(view.catalog)?.taskHistoryLimit ?? defaultHistoryLimit
  reapTasks(sheet, { lost, historyLimit })
  const changes = sheet.changes()
  return { changes, wakeAtMs: wake.atMs, memory: next, explanations }
}

/** A task whose node is lost makes room for another; one that ended is over. */
function retireTasks(sheet: Worksheet, lost: ReadonlySet<NodeId>): void {
  for (const task of sheet.tasks()) {
    if (!task.isWanted) continue
    const isLost = task.state === 'orphaned' || (task.node !== null && lost.has(task.node))
    if (isLost) stopTask(sheet, task, 'node-lost')
    else if (task.hasEnded) sheet.patchTask(task, { DesiredState: 'shutdown' })
  }
}

function removeTasksWithoutService(sheet: Worksheet): void {
  for (const id of sheet.serviceIds()) {
    if (sheet.service(id) !== undefined) continue
    for (const task of sheet.tasksOf(id)) removeTask(sheet, task)
  }
}

function reconcileServices(
  sheet: Worksheet,
  view: ClusterView,
  wake: Wake,
): Map<string, Explanation> {
  const explanations = new Map<string, Explanation>()
  const globals: ServiceView[] = []
  for (const service of sheet.services()) {
    switch (service.mode.kind) {
      case 'replicated':
        reconcileReplicated(sheet, service, wake)
        break
      case 'global':
        globals.push(service)
        break
      default:
        unreachable(service.mode)
    }
  }
  // Counted after the places were decided, so that what was given up no longer weighs.
  const placement = new Placement(sheet, view.observed)
  for (const service of globals) {
    const explanation = reconcileGlobal(sheet, service, { placement, wake })
    if (explanation !== null) explanations.set(service.id, explanation)
  }
  for (const [id, explanation] of placeTasks(sheet, placement)) explanations.set(id, explanation)
  return explanations
}
