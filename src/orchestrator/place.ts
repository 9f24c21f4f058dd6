import type { NodeId } from '../../mesh/base/ids.ts'
import type { StopCause } from '../model/docker.ts'
import type { ServiceView } from '../model/service-view.ts'
import { compareTaskStates } from '../model/task-state.ts'
import type { TaskView } from '../model/task-view.ts'
import { isOutdated } from './outdated.ts'
import { decideRestart, type RestartDecision, type TaskStart } from './restart.ts'
import { stopTask } from './stop-task.ts'
import { youngestFirst } from './task-times.ts'
import { awaitsFirst, isUpdating, type PlaceOfUpdate } from './update-progress.ts'
import type { Wake } from './wake.ts'
import type { Worksheet } from './worksheet.ts'

/** A slot of a replicated service, or a node of a global one, with all tasks that it has or had. */
export interface Place extends PlaceOfUpdate {
  readonly slot: number
  /** Up to date, but on a node that is being drained. */
  readonly leaving: readonly TaskView[]
  /** Wanted beside these: one too many. */
  readonly surplus: readonly TaskView[]
}

export function lookAtPlace(
  sheet: Worksheet,
  service: ServiceView,
  given: {
    readonly slot: number
    readonly tasks: readonly TaskView[]
    readonly drained?: ReadonlySet<NodeId>
  },
): Place {
  const { slot, tasks, drained } = given
  const wanted = tasks.filter((task) => task.isWanted)
  const isOld = (task: TaskView): boolean =>
    isOutdated(task, service, task.node === null ? undefined : sheet.node(task.node))
  const isLeaving = (task: TaskView): boolean =>
    task.node !== null && drained?.has(task.node) === true
  const current = wanted.filter((task) => !isOld(task))
  const successor = bestOf(current.filter((task) => !isLeaving(task)))
  // Of those that are to go, one serves until it is replaced.
  const outgoing = bestOf(wanted.filter((task) => isOld(task) || isLeaving(task)))
  const goesBecause = (isSo: (task: TaskView) => boolean): TaskView[] =>
    outgoing !== null && isSo(outgoing) ? [outgoing] : []
  const outdated = goesBecause(isOld)
  const leaving = goesBecause((task) => !isOld(task))
  const surplus = wanted.filter((task) => task !== successor && task !== outgoing)
  return { slot, tasks, outdated, leaving, successor, surplus }
}

/** How a place gets another task; null where none can be made now. */
export type Create = (start: TaskStart, isUpdate: boolean) => TaskView | null

export interface PlaceOrders {
  /** A task that is to go may be replaced now: its turn has come. */
  readonly mayMove: boolean
  /** It goes now, whether replaced or not. */
  readonly mustLeave?: boolean
  readonly create: Create
  readonly wake: Wake
}

/** Brings a place to one task that is as its service asks for, or one step nearer to that. */
export function reconcilePlace(
  sheet: Worksheet,
  service: ServiceView,
  place: Place,
  orders: PlaceOrders,
): void {
  const { mayMove, mustLeave = false } = orders
  for (const task of place.surplus) stopTask(sheet, task, 'superseded')
  const outgoing = outgoingOf(place)
  if (place.successor !== null) {
    for (const task of outgoing) {
      if (mustLeave || mayStop(task, place.successor, service, place))
        stop(sheet, service, place, task)
    }
  } else if (outgoing.length === 0) {
    const isUpdate = isUpdating(service) && awaitsFirst(place.tasks, service)
    begin(decideRestart(place.tasks, service, sheet.nowMs), isUpdate, orders)
  } else if (mayMove || mustLeave) {
    move(sheet, service, place, orders)
  }
}

export const outgoingOf = ({ outdated, leaving }: Place): readonly TaskView[] => [
  ...outdated,
  ...leaving,
]

/** What serves stays until its successor does, unless that would make two of what must be one. */
function mayStop(task: TaskView, successor: TaskView, service: ServiceView, place: Place): boolean {
  return successor.state === 'running' || task.state !== 'running' || !overlaps(service, place)
}

function move(sheet: Worksheet, service: ServiceView, place: Place, orders: PlaceOrders): void {
  const outgoing = outgoingOf(place)
  const start = startOf(place, service, sheet.nowMs)
  const isUpdate = isUpdating(service) && place.outdated.length > 0
  const isServing = outgoing.some((task) => task.state === 'running')
  const staysMeanwhile = isServing && orders.mustLeave !== true && overlaps(service, place)
  if (start.kind === 'never') {
    for (const task of place.leaving) stop(sheet, service, place, task)
    return
  }
  if (!staysMeanwhile) for (const task of outgoing) stop(sheet, service, place, task)
  begin(start, isUpdate, orders)
}

function begin(
  start: RestartDecision,
  isUpdate: boolean,
  { create, wake }: Pick<PlaceOrders, 'create' | 'wake'>,
): void {
  if (start.kind === 'never') return
  if (start.kind === 'later') wake.noLaterThan(start.atMs)
  else create(start, isUpdate)
}

function stop(sheet: Worksheet, service: ServiceView, place: Place, task: TaskView): void {
  const isReplaced = place.outdated.includes(task) && isUpdating(service)
  const cause: StopCause = isReplaced || !place.leaving.includes(task) ? 'updated' : 'node-drained'
  stopTask(sheet, task, cause)
}

/** A task on its way out is no reason to wait, but a successor of it that failed is. */
function startOf(
  { tasks, outdated, leaving }: Place,
  service: ServiceView,
  nowMs: number,
): RestartDecision {
  const [youngest] = youngestFirst(tasks)
  const isOutgoing = youngest !== undefined && [...outdated, ...leaving].includes(youngest)
  return isOutgoing ? { kind: 'now' } : decideRestart(tasks, service, nowMs)
}

/**
 * Whether old and new may run side by side. An update is stop-first unless it says otherwise; a node
 * is drained start-first unless that is ruled out, for nobody asked for a gap.
 */
function overlaps({ rollout, body }: ServiceView, { outdated }: Place): boolean {
  if (outdated.length > 0) return rollout.order === 'start-first'
  return body.Spec.UpdateConfig?.Order !== 'stop-first'
}

/** The one that got furthest; of equals the oldest. */
export function bestOf(tasks: readonly TaskView[]): TaskView | null {
  const [best] = tasks
    .filter((task) => task.isWanted)
    .sort((one, other) => {
      const ahead = compareTaskStates(other.state, one.state)
      return ahead || one.createdAtMs - other.createdAtMs || (one.id < other.id ? -1 : 1)
    })
  return best ?? null
}
