import { assert } from '../../mesh/base/assert.ts'
import { type NodeId, nodeId } from '../../mesh/base/ids.ts'
import type { CatalogReader, StoredObject } from '../../mesh/catalog/types.ts'
import type { DesiredState, StopCause, Task, TaskState } from './docker.ts'
import { parseMeshLabels } from './ingress-labels.ts'
import { remembered } from './remembered.ts'
import { type TaskSpecView, taskSpecView } from './task-spec-view.ts'
import { hasEnded, isWanted } from './task-state.ts'

export interface TaskView {
  readonly id: string
  readonly version: number
  readonly createdAtMs: number
  readonly updatedAtMs: number
  readonly serviceId: string
  readonly serviceName: string
  /** 0 for the task of a global service: its node stands for the slot. */
  readonly slot: number
  readonly node: NodeId | null
  readonly generation: number
  readonly desired: DesiredState
  readonly state: TaskState
  /** It is meant to run. */
  readonly isWanted: boolean
  /** It will never run again. */
  readonly hasEnded: boolean
  readonly stopCause: StopCause | null
  readonly spec: TaskSpecView
  readonly specVersion: number
  /** From the label `mesh.drain` that its service had when it was made; null when there was none. */
  readonly drainMs: number | null
  readonly body: Task
}

/** Also of a task that a projection reduced to its placement: then without a spec. */
export const taskView: (object: StoredObject) => TaskView = remembered(readTask)

function readTask(object: StoredObject): TaskView {
  assert(object.kind === 'task', 'a task view needs a task')
  const body = object.body as unknown as Task
  return {
    id: object.id,
    version: object.version,
    createdAtMs: object.createdAtMs,
    updatedAtMs: object.updatedAtMs,
    serviceId: body.ServiceID,
    serviceName: body.ServiceName ?? '',
    slot: body.Slot ?? 0,
    node: body.NodeID === undefined ? null : nodeId(body.NodeID),
    generation: body.Generation,
    desired: body.DesiredState,
    state: body.Status.State,
    isWanted: isWanted(body.DesiredState),
    hasEnded: hasEnded(body.Status.State),
    stopCause: body.StopCause ?? null,
    spec: taskSpecView(body.Spec, body.HostPorts),
    specVersion: body.SpecVersion?.Index ?? 0,
    drainMs: parseMeshLabels(body.Labels ?? {}).drainMs,
    body,
  }
}

export const tasksOf = (catalog: CatalogReader): TaskView[] => catalog.list('task').map(taskView)

export function taskById(catalog: CatalogReader, id: string): TaskView | undefined {
  const object = catalog.get('task', id)
  return object && taskView(object)
}

/** Swarm's names: `web.2`, and `agent.<node id>` for a task of a global service. */
export const taskName = (task: TaskView): string =>
  `${task.serviceName}.${task.slot === 0 ? (task.node ?? '') : task.slot}`
