import type { NodeId } from '../../mesh/base/ids.ts'
import type { ContainerRequest } from '../containers/container-engine.ts'
import type { NodeDescription } from '../model/docker.ts'
import { type TaskView, taskName } from '../model/task-view.ts'
import { expandContainer, type TemplateFacts } from '../model/template.ts'

export interface RequestPlace {
  readonly cluster: string
  readonly node: NodeId
  readonly hostname: string
  readonly platform: NodeDescription['Platform']
  readonly targetPorts: readonly number[]
}

export type RequestOrProblem =
  | { readonly kind: 'request'; readonly request: ContainerRequest }
  | { readonly kind: 'malformed'; readonly problem: string }

/** Swarm's name: it tells service, slot and task, and no two tasks share it. */
const containerName = (task: TaskView): string => `${taskName(task)}.${task.id}`

export function containerRequest(task: TaskView, place: RequestPlace): RequestOrProblem {
  const { spec } = task
  const expanded = expandContainer({ ...spec.settings, Env: spec.env }, templateFacts(task, place))
  if (expanded.kind === 'malformed') return expanded
  const { Env, ...settings } = expanded.spec
  const { nanoCpus, memoryBytes, pids, swapBytes, swappiness } = spec.limits
  const request: ContainerRequest = {
    taskId: task.id,
    name: containerName(task),
    image: spec.image,
    command: spec.command,
    args: spec.args,
    env: Env,
    labels: { ...spec.containerLabels, ...ownLabels(task, place) },
    nanoCpus,
    memoryBytes,
    pidsLimit: pids,
    swapBytes,
    swappiness,
    settings,
    stopSignal: spec.stopSignal,
    logDriver: spec.logDriver,
    registryAuth: spec.registryAuth,
    hostPorts: spec.hostPorts,
    targetPorts: place.targetPorts,
    facts: {
      task: task.id,
      slot: String(task.slot),
      node: place.node,
      service: task.serviceName,
    },
  }
  return { kind: 'request', request }
}

function templateFacts(task: TaskView, { node, hostname, platform }: RequestPlace): TemplateFacts {
  const { serviceId: ID, serviceName: Name, body } = task
  return {
    Service: { ID, Name, Labels: body.ServiceLabels ?? {} },
    Node: { ID: node, Hostname: hostname, Platform: platform },
    Task: { ID: task.id, Name: containerName(task), Slot: String(task.slot) },
  }
}

/** Ours, by which a container is known to be ours, and Swarm's, by which people's tools find it. */
function ownLabels(task: TaskView, { cluster, node }: RequestPlace): Record<string, string> {
  return {
    'mesh.cluster': cluster,
    'mesh.node': node,
    'mesh.task': task.id,
    'mesh.service': task.serviceName,
    'mesh.slot': String(task.slot),
    'com.docker.swarm.node.id': node,
    'com.docker.swarm.service.id': task.serviceId,
    'com.docker.swarm.service.name': task.serviceName,
    'com.docker.swarm.task': '',
    'com.docker.swarm.task.id': task.id,
    'com.docker.swarm.task.name': containerName(task),
  }
}
