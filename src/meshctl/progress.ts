import type { ApiService, ApiTask } from '../client/types.ts'
import { slotOf } from './task-listing.ts'

/** How far a service is, from one look at it. */
export interface Progress {
  readonly wanted: number
  readonly running: number
  /** One a slot or node, in order: the task that counts there now. */
  readonly tasks: readonly ApiTask[]
  readonly isDone: boolean
  /** Tasks failed and nothing will start them again. */
  readonly isHopeless: boolean
  /** No task has found a node. */
  readonly isUnplaced: boolean
}

/** `upToDate` are the ids of tasks that are as the service asks for; others are on their way out. */
export function progressOf(
  service: ApiService,
  tasks: readonly ApiTask[],
  upToDate: ReadonlySet<string>,
): Progress {
  const current = newestPerSlot(tasks)
  const live = current.filter(isLive)
  const finished = current.filter((task) => !isLive(task) && task.Status.State === 'complete')
  const broken = current.filter((task) => !isLive(task) && hasFailed(task))
  const wanted =
    service.Spec.Mode.Global === undefined
      ? (service.Spec.Mode.Replicated?.Replicas ?? 1)
      : (service.ServiceStatus?.DesiredTasks ?? live.length)
  const running = live.filter(
    (task) => task.Status.State === 'running' && upToDate.has(task.ID),
  ).length
  const restarts = service.Spec.TaskTemplate.RestartPolicy?.Condition ?? 'any'
  return {
    wanted,
    running,
    tasks: [...live, ...finished, ...broken].sort(bySlot),
    isDone: isSettled({ wanted, running, live: live.length, finished: finished.length }),
    isHopeless: restarts === 'none' && broken.length > 0 && live.length === running,
    isUnplaced: wanted > 0 && live.every((task) => task.NodeID === undefined),
  }
}

interface Counts {
  readonly wanted: number
  readonly running: number
  readonly live: number
  readonly finished: number
}

/** Surplus tasks must be on their way out too; one that ended well and stays so is done. */
const isSettled = ({ wanted, running, live, finished }: Counts): boolean =>
  live === running && (running === wanted || (finished > 0 && running + finished >= wanted))

const isLive = (task: ApiTask): boolean =>
  task.DesiredState === 'running' || task.DesiredState === 'ready'

const hasFailed = (task: ApiTask): boolean =>
  task.Status.State === 'failed' || task.Status.State === 'rejected'

function newestPerSlot(tasks: readonly ApiTask[]): ApiTask[] {
  const newest = new Map<string, ApiTask>()
  for (const task of tasks) {
    const known = newest.get(slotOf(task))
    if (known === undefined || isNewer(task, known)) newest.set(slotOf(task), task)
  }
  return [...newest.values()]
}

/** A task that is wanted counts before one that is not, whenever they were made. */
function isNewer(task: ApiTask, known: ApiTask): boolean {
  if (isLive(task) !== isLive(known)) return isLive(task)
  if (task.CreatedAt !== known.CreatedAt) return task.CreatedAt > known.CreatedAt
  return task.Version.Index > known.Version.Index
}

function bySlot(left: ApiTask, right: ApiTask): number {
  if ((left.Slot ?? 0) !== (right.Slot ?? 0)) return (left.Slot ?? 0) - (right.Slot ?? 0)
  return slotOf(left) < slotOf(right) ? -1 : 1
}
