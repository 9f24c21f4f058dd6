import type { Service, Task } from '../model/docker.ts'
import { nodeById } from '../model/node-view.ts'
import type { ClusterView } from '../model/observed.ts'
import { serviceById } from '../model/service-view.ts'
import { taskById } from '../model/task-view.ts'
import { isOutdated } from '../orchestrator/outdated.ts'
import type { ApiContext } from './api-context.ts'
import { hasStatus } from './api-error.ts'
import { sendJson, type Exchange } from './exchange.ts'
import { parseFilters, passes, passesLabels, type Filters } from './filters.ts'
import { sendList } from './list-answer.ts'
import { all, find, type Found } from './lookup.ts'
import { findNode } from './nodes.ts'
import { renderTask } from './render.ts'
import { findService } from './services.ts'

const filterKeys = [
  'id',
  'service',
  'name',
  'node',
  'label',
  'desired-state',
  '_up-to-date',
  'runtime',
]

export async function listTasks(context: ApiContext, exchange: Exchange): Promise<void> {
  const filters = parseFilters(exchange.query, filterKeys)
  const view = await context.currentView()
  const wanted = resolveNames(filters, view, context.deps.node.self)
  const tasks = all<Task>(view.catalog, 'task').filter((task) => isWanted(task, wanted, view))
  await sendList(exchange, tasks, (task) => renderTask(task, view))
}

export async function inspectTask(
  context: ApiContext,
  exchange: Exchange,
  reference: string,
): Promise<void> {
  const view = await context.currentView()
  sendJson(exchange, 200, renderTask(findTask(view, reference), view))
}

export function findTask(view: ClusterView, reference: string): Found<Task> {
  return find<Task>(view.catalog, { kind: 'task', reference, names: namesOf })
}

/** `service.slot.id`, or with the node where there are no slots. */
const taskName = ({ id, body }: Found<Task>): string =>
  `${body.ServiceName}.${body.Slot ?? body.NodeID ?? ''}.${id}`

const namesOf = (found: Found<Task>): string[] => [taskName(found)]

/** Services and nodes may be named; an unknown one stays as it is and matches nothing. */
function resolveNames(filters: Filters, view: ClusterView, self: string): Filters {
  const resolved = new Map(filters)
  const resolve = (key: string, look: (reference: string) => { readonly id: string }): void => {
    const references = filters.get(key)
    if (references === undefined) return
    resolved.set(
      key,
      references.map((reference) => idOr(reference, look)),
    )
  }
  resolve('service', (reference) => findService(view, reference))
  resolve('node', (reference) => findNode(view, reference, self))
  return resolved
}

function idOr(reference: string, look: (reference: string) => { readonly id: string }): string {
  try {
    return look(reference).id
  } catch (error) {
    if (hasStatus(error, 404)) return reference
    throw error
  }
}

function isWanted(task: Found<Task>, filters: Filters, view: ClusterView): boolean {
  const { id, body } = task
  return (
    passes(filters, 'id', (start) => id.startsWith(start)) &&
    passes(filters, 'service', (service) => service === body.ServiceID) &&
    passes(filters, 'node', (node) => node === body.NodeID) &&
    passes(filters, 'name', (start) => taskName(task).startsWith(start)) &&
    passes(filters, 'desired-state', (state) => state === body.DesiredState) &&
    passes(filters, '_up-to-date', (wanted) => isTrue(wanted) === isUpToDate(task, view)) &&
    passesLabels(filters, 'label', labelsOf(body, view))
  )
}

const isTrue = (text: string): boolean => ['1', 'true'].includes(text.toLowerCase())

/** Docker's clients watch an update by it. */
function isUpToDate({ id, body }: Found<Task>, view: ClusterView): boolean {
  const task = taskById(view.catalog, id)
  const service = serviceById(view.catalog, body.ServiceID)
  if (task === undefined || service === undefined) return false
  return !isOutdated(task, service, nodeById(view.catalog, body.NodeID ?? ''))
}

function labelsOf(task: Task, view: ClusterView): Readonly<Record<string, string>> {
  const ofService = serviceOf(task, view)?.Spec.Labels ?? {}
  return { ...ofService, ...task.Spec.ContainerSpec.Labels, ...task.Labels }
}

const serviceOf = (task: Task, view: ClusterView): Service | undefined =>
  view.catalog.get('service', task.ServiceID)?.body as Service | undefined
