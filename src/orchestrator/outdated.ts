import type { PortConfig } from '../model/docker.ts'
import type { NodeView } from '../model/node-view.ts'
import { isSameContainer } from '../model/same-container.ts'
import { sameJson } from '../model/same-json.ts'
import { ingressPortsOf, type ServiceView } from '../model/service-view.ts'
import type { TaskView } from '../model/task-view.ts'
import { parseConstraint, satisfies } from './constraint.ts'

/**
 * Whether a task has to be replaced to be what its service asks for. Replicas, labels, update
 * settings, restart policy, constraints that its node satisfies and ports that its container opens
 * anyway need no other container.
 */
export function isOutdated(
  task: TaskView,
  service: ServiceView,
  node: NodeView | undefined,
): boolean {
  if (task.specVersion === service.specVersion) return false
  if (!isSameContainer(task.body.Spec, service.body.Spec.TaskTemplate)) return true
  if (lacksPorts(task, service)) return true
  return node !== undefined && !satisfiesAll(node, service.template.constraints)
}

export function satisfiesAll(node: NodeView, constraints: readonly string[]): boolean {
  return constraints.every((text) => {
    const constraint = parseConstraint(text)
    return constraint !== null && satisfies(node, constraint)
  })
}

/** Host-mode ports are part of a container; of the others it only matters that they are open. */
function lacksPorts({ body }: TaskView, service: ServiceView): boolean {
  if (!sameJson(body.HostPorts ?? [], hostPortsOf(service))) return true
  const { TargetPorts: open } = body
  return open !== undefined && targetPortsOf(service).some((port) => !open.includes(port))
}

export const targetPortsOf = (service: ServiceView): number[] => [
  ...new Set(ingressPortsOf(service).map((port) => port.targetPort)),
]

export const hostPortsOf = ({ body }: ServiceView): readonly PortConfig[] =>
  (body.Endpoint.Ports ?? []).filter(({ PublishMode }) => PublishMode === 'host')
