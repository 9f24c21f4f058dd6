import type { NodeId } from '../../mesh/base/ids.ts'
import { defaultIngressOptions } from '../model/ingress-options.ts'
import type { TaskRecord } from '../model/docker.ts'
import { nodesOf } from '../model/node-view.ts'
import type { ClusterView, Observed } from '../model/observed.ts'
import {
  ingressPortsOf,
  type PortView,
  type ServiceView,
  servicesOf,
} from '../model/service-view.ts'
import { hasEnded } from '../model/task-state.ts'
import { taskById } from '../model/task-view.ts'
import type { Endpoint, Listener, LocalTask, Peer, RouteTable } from './route-table.ts'
import { trustOf, type Trust } from './trust.ts'

export interface RouteInput {
  readonly view: ClusterView
  readonly self: NodeId
  /** Must grow from table to table. */
  readonly version: number
  /** What to think of other nodes; as they are seen this moment when absent. */
  readonly trust?: (node: NodeId) => Trust
}

/** What the ingress of this node needs to know now; the same view gives the same table. */
export function deriveRoutes({ view, self, version, trust }: RouteInput): RouteTable {
  const trustIn = trust ?? ((node: NodeId): Trust => trustOf(view.observed, node))
  const serving = servingByService(view, (node) => (node === self ? 'good' : trustIn(node)))
  const listeners = servicesOf(view.catalog).flatMap((service) =>
    listenersOf(service, serving.get(service.id) ?? []),
  )
  return {
    version,
    self,
    listeners: listeners.sort((left, right) => left.port - right.port),
    peers: peersOf(view, self),
    localTasks: localTasksOf(view.observed, self),
  }
}

/** Every published port is listened on, whether a task accepts or not. */
function listenersOf(service: ServiceView, serving: readonly ServingTask[]): Listener[] {
  return ingressPortsOf(service)
    .filter(isRouted)
    .map((port) => ({
      protocol: port.protocol === 'udp' ? 'udp' : 'tcp',
      port: port.publishedPort,
      serviceId: service.id,
      serviceName: service.name,
      options: service.mesh.ingress.get(port.publishedPort) ?? defaultIngressOptions,
      endpoints: serving
        .filter((task) => task.targets.has(String(port.targetPort)))
        .map(({ endpoint }) => ({ ...endpoint, targetPort: port.targetPort })),
    }))
}

const isRouted = (port: PortView): boolean => port.publishedPort > 0

interface ServingTask {
  readonly endpoint: Omit<Endpoint, 'targetPort'>
  /** Target ports where it can be dialled. */
  readonly targets: ReadonlySet<string>
}

/** Most tasks of a cluster may have no port at all. */
const isDialled = ({ targets }: TaskRecord): boolean => Object.keys(targets).length > 0

function servingByService(
  view: ClusterView,
  trustIn: (node: NodeId) => Trust,
): Map<string, ServingTask[]> {
  const serving = new Map<string, ServingTask[]>()
  const tasks = [...view.observed.tasks]
    .filter(([, { record }]) => record.serving && !record.draining && isDialled(record))
    .sort(([left], [right]) => (left < right ? -1 : 1))
  for (const [id, { node, record }] of tasks) {
    // The catalog has the last word: whose task it is, where, of which assignment, and whether it
    // is still meant to run. A record alone may be late.
    const task = taskById(view.catalog, id)
    if (task === undefined || task.node !== node || !task.isWanted) continue
    if (task.generation !== record.generation) continue
    const trust = trustIn(node)
    if (trust === 'gone') continue
    const { generation } = task
    const endpoint = { task: id, node, generation, preferred: trust === 'good' }
    const targets = new Set(Object.keys(record.targets))
    serving.set(task.serviceId, [...(serving.get(task.serviceId) ?? []), { endpoint, targets }])
  }
  return serving
}

/** Dead ones too: the ingress finds out whether their data path answers. */
function peersOf({ catalog, observed }: ClusterView, self: NodeId): Peer[] {
  return nodesOf(catalog)
    .filter((node) => node.id !== self)
    .map((node) => {
      const member = observed.members.get(node.id)
      const isDead = member?.state === 'dead' || member?.state === 'left'
      const address = member?.meta.dataPathAddress || node.mesh.DataPathAddress
      return { node: node.id, address, ...(isDead && { isDead }) }
    })
    .sort((left, right) => (left.node < right.node ? -1 : 1))
}

/** What this node's agent says is all there is: an OPEN is judged by the node that runs the task. */
function localTasksOf(observed: Observed, self: NodeId): LocalTask[] {
  const local: LocalTask[] = []
  for (const [task, { node, record }] of observed.tasks) {
    if (node !== self || hasEnded(record.state)) continue
    if (!record.serving && !record.draining) continue
    const { generation, draining, targets } = record
    local.push({ task, generation, draining, targets })
  }
  local.sort((left, right) => (left.task < right.task ? -1 : 1))
  return local
}
