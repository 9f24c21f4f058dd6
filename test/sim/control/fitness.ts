import type { CatalogReader } from '../../../mesh/catalog/types.ts'
import type { Node } from '../../../src/model/docker.ts'
import { type TaskView, tasksOf } from '../../../src/model/task-view.ts'

/** Why a task must not have been given to its node, told without the product's filters; null when it fits. */
export function misfit(task: TaskView, catalog: CatalogReader): string | null {
  const node = catalog.get('node', task.node ?? '')?.body as unknown as Node | undefined
  if (node === undefined) return 'its node is not a member'
  if (node.Spec.Availability !== 'active') return `its node is ${node.Spec.Availability}`
  const beside = tasksOf(catalog).filter((other) => other.node === task.node && !other.hasEnded)
  return (
    brokenConstraint(task, node) ??
    shortage(beside, node, [task]) ??
    portConflict(task, beside) ??
    crowd(task, beside)
  )
}

export function brokenConstraint(task: TaskView, node: Node): string | null {
  for (const text of task.body.Spec.Placement?.Constraints ?? []) {
    const [, unwanted] = text.split('node.labels.zone!=')
    if (unwanted === undefined) return `an unknown constraint ${text}`
    if (node.Spec.Labels?.['zone'] === unwanted) return text
  }
  return null
}

/** What is short where these tasks are, for those who asked: who reserves none of it has room. */
export function shortage(
  tasks: readonly TaskView[],
  { Description: { Resources } }: Node,
  asking: readonly TaskView[] = tasks,
): string | null {
  const short = (['MemoryBytes', 'NanoCPUs'] as const).find(
    (what) => reserved(asking, what) > 0 && reserved(tasks, what) > Resources[what],
  )
  return short === undefined ? null : `more ${short} are reserved than there are`
}

const reserved = (tasks: readonly TaskView[], what: 'MemoryBytes' | 'NanoCPUs'): number =>
  tasks.reduce((sum, { body }) => sum + (body.Spec.Resources?.Reservations?.[what] ?? 0), 0)

function portConflict(task: TaskView, beside: readonly TaskView[]): string | null {
  const wanted = portsOf(task)
  const rival = beside.find(
    (other) => other.id !== task.id && portsOf(other).some((port) => wanted.includes(port)),
  )
  return rival === undefined ? null : `its host port is held by ${rival.id}`
}

const portsOf = ({ body }: TaskView): (number | undefined)[] =>
  (body.HostPorts ?? []).map((port) => port.PublishedPort)

function crowd(task: TaskView, beside: readonly TaskView[]): string | null {
  const most = task.body.Spec.Placement?.MaxReplicas ?? 0
  const own = beside.filter((other) => other.serviceId === task.serviceId && other.isWanted)
  const slots = new Set(own.map((other) => other.slot))
  return most > 0 && slots.size > most ? `${slots.size} replicas where ${most} may be` : null
}
