import type { NodeId } from '../../mesh/base/ids.ts'
import type { ServiceView } from '../model/service-view.ts'
import { compareTaskStates } from '../model/task-state.ts'
import type { TaskView } from '../model/task-view.ts'
import { changesPerPass } from './limits.ts'
import { createTask } from './new-task.ts'
import { decideRestart, type RestartDecision, youngestFirst } from './restart.ts'
import { removeTask, stopTask } from './stop-task.ts'
import type { Worksheet } from './worksheet.ts'

export interface Draining {
  /** Nodes whose tasks move away. */
  readonly nodes: ReadonlySet<NodeId>
  /** Of these, the ones that were given long enough: their tasks stop, replaced or not. */
  readonly overdue: ReadonlySet<NodeId>
}

/** Brings a service to its number of places ("slots"), and every place to one task. */
export function reconcileReplicated(
  sheet: Worksheet,
  service: ServiceView,
  { replicas, draining }: { readonly replicas: number; readonly draining: Draining },
): void {
  const held = heldSlots(sheet.tasksOf(service.id))
  for (const slot of victims(held, held.size - replicas)) {
    for (const task of held.get(slot) ?? []) removeTask(sheet, task)
    held.delete(slot)
  }
  for (const [slot, tasks] of held) reconcileSlot(sheet, service, { slot, tasks, draining })
  for (const slot of lowestFree(held, replicas - held.size)) {
    if (sheet.isFull) break
    createTask(sheet, service, { slot, start: { kind: 'now' } })
  }
}

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

interface Place {
  readonly slot: number
  readonly tasks: readonly TaskView[]
  readonly draining: Draining
}

function reconcileSlot(sheet: Worksheet, service: ServiceView, place: Place): void {
  const { slot, tasks, draining } = place
  const wanted = tasks.filter((task) => task.isWanted)
  const isLeaving = (task: TaskView): boolean => task.node !== null && draining.nodes.has(task.node)
  const leaving = wanted.filter(isLeaving)
  const staying = wanted.filter((task) => !isLeaving(task))
  for (const task of allButBest(staying)) stopTask(sheet, task, 'superseded')
  const successor = bestOf(staying)
  const start = successor === null ? startOf(tasks, leaving, service) : null
  if (start !== null && start.kind !== 'never') createTask(sheet, service, { slot, start })
  for (const task of leaving) {
    const isOverdue = task.node !== null && draining.overdue.has(task.node)
    const isReplaced = isRunning(successor) || start?.kind === 'never'
    const hasNothingToLose = !isRunning(task) || wantsStopFirst(service)
    if (isOverdue || isReplaced || hasNothingToLose) stopTask(sheet, task, 'node-drained')
  }
}

/** A task on its way out is no reason to wait, but a successor of it that failed is. */
function startOf(
  tasks: readonly TaskView[],
  leaving: readonly TaskView[],
  service: ServiceView,
): RestartDecision {
  const [youngest] = youngestFirst(tasks)
  if (youngest !== undefined && leaving.includes(youngest)) return { kind: 'now' }
  return decideRestart(tasks, service)
}

/** Two writers to one volume are worse than a gap: whoever says stop-first gets it. */
const wantsStopFirst = (service: ServiceView): boolean =>
  service.body.Spec.UpdateConfig?.['Order'] === 'stop-first'

/** The one that got furthest; of equals the oldest. */
function bestOf(tasks: readonly TaskView[]): TaskView | null {
  const wanted = tasks.filter((task) => task.isWanted)
  const [best] = wanted.sort((one, other) => {
    const ahead = compareTaskStates(other.state, one.state)
    return ahead || one.createdAtMs - other.createdAtMs || (one.id < other.id ? -1 : 1)
  })
  return best ?? null
}

export function allButBest(tasks: readonly TaskView[]): TaskView[] {
  const best = bestOf(tasks)
  return tasks.filter((task) => task !== best)
}

const isRunning = (task: TaskView | null): boolean => task?.state === 'running'

function add(counts: Map<NodeId, number>, node: NodeId, by: number): void {
  counts.set(node, (counts.get(node) ?? 0) + by)
}
