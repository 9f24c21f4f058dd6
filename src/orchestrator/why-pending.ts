import { SeededRandom } from '../../mesh/base/random.ts'
import type { ClusterView } from '../model/observed.ts'
import type { ServiceView } from '../model/service-view.ts'
import type { Explanation } from './explain.ts'
import type { Needs } from './filters.ts'
import { reconcileGlobal } from './global.ts'
import { Placement } from './placement.ts'
import { Wake } from './wake.ts'
import { Worksheet } from './worksheet.ts'

/**
 * Why this service has fewer placed tasks than it wants; null when it has them, or when the leader
 * is about to place them. Answers on any manager, from what that one knows.
 */
export function whyPending(view: ClusterView, service: ServiceView): Explanation | null {
  // Which of the fitting nodes would be drawn does not matter here, nor when tasks were made.
  const sheet = new Worksheet(view.catalog, { nowMs: 0, random: new SeededRandom(0) })
  const placement = new Placement(sheet, view.observed)
  if (service.mode.kind === 'global')
    return reconcileGlobal(sheet, service, { placement, wake: new Wake() })
  const wanted = sheet.tasksOf(service.id).filter((task) => task.isWanted)
  const waiting = wanted.find((task) => task.node === null)
  const slots = new Set(wanted.map((task) => task.slot))
  if (waiting === undefined && slots.size >= service.mode.replicas) return null
  const { serviceId, spec, slot } = waiting ?? ofNewTask(service)
  const choice = placement.choose({ serviceId, spec, slot })
  return choice.kind === 'none' ? choice.explanation : null
}

const ofNewTask = (service: ServiceView): Needs => ({
  serviceId: service.id,
  spec: service.template,
  slot: 0,
})
