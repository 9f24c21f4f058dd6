import type { NodeId } from '../../mesh/base/ids.ts'
import { nodeId } from '../../mesh/base/ids.ts'
import type { Node, Service, Task, TaskStatus } from '../model/docker.ts'
import { rfc3339 } from '../model/rfc3339.ts'
import type { ClusterView } from '../model/observed.ts'
import { all, type Found } from './lookup.ts'
import { withoutServiceAuth, withoutTaskAuth } from './registry-auth.ts'

/** What Docker wraps around every object. */
export interface Envelope {
  readonly ID: string
  readonly Version: { readonly Index: number }
  readonly CreatedAt: string
  readonly UpdatedAt: string
}

export function envelope(found: Found<unknown>): Envelope {
  return {
    ID: found.id,
    Version: { Index: found.version },
    CreatedAt: rfc3339(found.createdAtMs),
    UpdatedAt: rfc3339(found.updatedAtMs),
  }
}

export function renderNode(found: Found<Node>, view: ClusterView, leader: NodeId | null): object {
  const { body } = found
  const { ManagerStatus: _stored, ...rest } = body
  const manager =
    body.Spec.Role === 'manager' ? { ManagerStatus: managerStatus(found, view, leader) } : {}
  return {
    ...envelope(found),
    ...rest,
    Status: { ...body.Status, State: nodeState(found, view) },
    Mesh: {
      ...body.Mesh,
      PortConflicts: portConflicts(found, view),
      UdpBlocked: isUdpBlocked(found, view),
    },
    ...manager,
  }
}

/** Published ports that the node could not bind, with the reason. */
const portConflicts = (found: Found<Node>, view: ClusterView): Readonly<Record<string, string>> =>
  view.observed.nodes.get(nodeId(found.id))?.portConflicts ?? {}

/** The node that answers reaches it by TCP only. */
const isUdpBlocked = (found: Found<Node>, view: ClusterView): boolean =>
  view.observed.members.get(nodeId(found.id))?.isUdpBlocked === true

/** What the members found out since the leader last wrote it down counts. */
function nodeState(found: Found<Node>, view: ClusterView): Node['Status']['State'] {
  const state = view.observed.members.get(nodeId(found.id))?.state
  if (state === 'dead' || state === 'left') return 'down'
  if (state === 'alive' && found.body.Status.State === 'unknown') return 'ready'
  return found.body.Status.State
}

function managerStatus(found: Found<Node>, view: ClusterView, leader: NodeId | null): object {
  const address = apiAddress(found.body)
  const isLeader = found.id === leader
  const reachability = isUp(found, view) ? 'reachable' : 'unreachable'
  return { ...(isLeader ? { Leader: true } : {}), Reachability: reachability, Addr: address }
}

/** `host:port` where a manager answers the API. */
export const apiAddress = ({ ManagerStatus, Mesh }: Node): string =>
  ManagerStatus?.Addr ?? Mesh.ControlAddress

export const isUp = (found: Found<Node>, view: ClusterView): boolean =>
  nodeState(found, view) !== 'down'

export function renderTask(found: Found<Task>, view: ClusterView): object {
  const { Status, ...body } = withoutTaskAuth(found.body)
  return { ...envelope(found), ...body, Status: { ...Status, ...liveWords(found, view) } }
}

/** How a state comes on, such as a transfer, is said between nodes and never written down. */
function liveWords({ id, body }: Found<Task>, { observed }: ClusterView): Partial<TaskStatus> {
  const seen = observed.tasks.get(id)
  if (seen === undefined || seen.node !== body.NodeID) return {}
  const { state, generation, message, err } = seen.record
  if (generation !== body.Generation || state !== body.Status.State) return {}
  return { Message: message, ...(err !== '' && { Err: err }) }
}

export function renderService(found: Found<Service>, withStatus: ServiceStatus | null): object {
  const status = withStatus === null ? {} : { ServiceStatus: withStatus }
  return { ...envelope(found), ...withoutServiceAuth(found.body), ...status }
}

export interface ServiceStatus {
  readonly RunningTasks: number
  readonly DesiredTasks: number
}

/** Of all services in one pass over the tasks. */
export function serviceStatuses(view: ClusterView): (service: Found<Service>) => ServiceStatus {
  const running = new Map<string, number>()
  const wanted = new Map<string, number>()
  for (const { body } of all<Task>(view.catalog, 'task')) {
    if (body.DesiredState !== 'running' && body.DesiredState !== 'ready') continue
    add(wanted, body.ServiceID)
    if (body.Status.State === 'running' && isNodeUp(body.NodeID, view)) add(running, body.ServiceID)
  }
  return ({ id, body }) => {
    const replicas = body.Spec.Mode?.Global === undefined ? replicasOf(body) : null
    return { RunningTasks: running.get(id) ?? 0, DesiredTasks: replicas ?? wanted.get(id) ?? 0 }
  }
}

const replicasOf = (service: Service): number => service.Spec.Mode?.Replicated?.Replicas ?? 1

function isNodeUp(id: string | undefined, view: ClusterView): boolean {
  const state = id === undefined ? undefined : view.observed.members.get(nodeId(id))?.state
  return state !== 'dead' && state !== 'left'
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
