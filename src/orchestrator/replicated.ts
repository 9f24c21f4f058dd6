import type { NodeId } from '../../mesh/base/ids.ts'
import type { ServiceView } from '../model/service-view.ts'
import type { TaskView } from '../model/task-view.ts'
import { changesPerPass } from './limits.ts'
import { createTask } from './new-task.ts'
import { bestOf, lookAtPlace, reconcilePlace } from './place.ts'
import { removeTask } from './stop-task.ts'
import { type PlaceInProgress, takeTurns } from './turns.ts'
import { advanceUpdate } from './update.ts'
import { progressIn } from './update-progress.ts'
import type { Wake } from './wake.ts'
import type { Worksheet } from './worksheet.ts'

/** Brings a service to its number of places ("slots"), and every place to one task. */
export function reconcileReplicated(sheet: Worksheet, service: ServiceView, wake: Wake): void {
  const replicas = service.mode.kind === 'replicated' ? service.mode.replicas : 0
  const held = heldSlots(sheet.tasksOf(service.id))
  for (const slot of victims(held, held.size - replicas)) {
    for (const task of held.get(slot) ?? []) removeTask(sheet, task)
    held.delete(slot)
  }
  const places = placesOf(sheet, service, held)
  const after = advanceUpdate(sheet, service, { places: places.map(progressOf), wake })
  // It was rolled back: what is wanted, and what is outdated, is another matter now.
  if (after.specVersion !== service.specVersion) return reconcileReplicated(sheet, after, wake)
  reconcilePlaces(sheet, after, { places, wake })
  for (const slot of lowestFree(held, replicas - held.size)) {
    if (sheet.isFull) break
    createTask(sheet, after, { slot, start: { kind: 'now' } })
  }
}

function placesOf(sheet: Worksheet, service: ServiceView, held: Slots): PlaceInProgress[] {
  const draining = sheet.nodes().filter((node) => node.availability === 'drain')
  const drained = new Set(draining.map((node) => node.id))
  return [...held].map(([slot, tasks]) => {
    const place = lookAtPlace(sheet, service, { slot, tasks, drained })
    return { place, progress: progressIn(place, service, sheet.nowMs) }
  })
}

function reconcilePlaces(
  sheet: Worksheet,
  service: ServiceView,
  { places, wake }: { readonly places: readonly PlaceInProgress[]; readonly wake: Wake },
): void {
  const turns = takeTurns(service, places, { nowMs: sheet.nowMs, wake })
  for (const { place } of places) {
    const { slot } = place
    reconcilePlace(sheet, service, place, {
      mayMove: turns.mayMove.has(place),
      mustLeave: turns.mustLeave.has(place),
      wake,
      create: (start, isUpdate) => createTask(sheet, service, { slot, start, isUpdate }),
    })
  }
}

const progressOf = ({ progress }: PlaceInProgress): PlaceInProgress['progress'] => progress

type Slots = Map<number, TaskView[]>

/** A place is held by its tasks, ended ones too, until they are to be removed. */
function heldSlots(tasks: readonly TaskView[]): Slots {
  const slots: Slots = new Map()
  for (const task of tasks) {
    if (task.desired === 'remove') continue
    slots.set(task.slot, [...(slots.get(task.slot) ?? []), task])
  }
  return slots
}

function lowestFree(held: Slots, count: number): number[] {
  const free: number[] = []
  for (let slot = 1; free.length < Math.min(count, changesPerPass); slot++)
    if (!held.has(slot)) free.push(slot)
  return free
}

/** Places to give up: those that serve nobody, then those on the fullest node, the highest first. */
function victims(held: Slots, count: number): number[] {
  const onNode = new Map<NodeId, number>()
  const left = new Map([...held].map(([slot, tasks]) => [slot, bestOf(tasks)]))
  for (const task of left.values()) if (task?.node) add(onNode, task.node, 1)
  const chosen: number[] = []
  while (chosen.length < Math.min(count, changesPerPass)) {
    const slot = worstOf(left, onNode)
    if (slot === null) break
    const task = left.get(slot)
    if (task?.node) add(onNode, task.node, -1)
    left.delete(slot)
    chosen.push(slot)
  }
  return chosen
}

function worstOf(
  slots: ReadonlyMap<number, TaskView | null>,
  onNode: ReadonlyMap<NodeId, number>,
): number | null {
  let worst: { readonly slot: number; readonly runs: boolean; readonly crowd: number } | null = null
  for (const [slot, task] of slots) {
    const crowd = task?.node ? (onNode.get(task.node) ?? 0) : 0
    const one = { slot, runs: isRunning(task), crowd }
    if (worst === null) worst = one
    else if (one.runs !== worst.runs) worst = one.runs ? worst : one
    else if (one.crowd !== worst.crowd) worst = one.crowd < worst.crowd ? worst : one
    else if (one.slot > worst.slot) worst = one
  }
  return worst?.slot ?? null
}

const isRunning = (task: TaskView | null): boolean => task?.state === 'running'

function add(counts: Map<NodeId, number>, node: NodeId, by: number): void {
  counts.set(node, (counts.get(node) ?? 0) + by)
}
