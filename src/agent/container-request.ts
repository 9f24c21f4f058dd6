import type { NodeId } from '../../mesh/base/ids.ts'
import type { ContainerRequest } from '../containers/container-engine.ts'
import { type TaskView, taskName } from '../model/task-view.ts'

export interface RequestPlace {
  readonly cluster: string
  readonly node: NodeId
  readonly targetPorts: readonly number[]
}

/** Swarm's name: it tells service, slot and task, and no two tasks share it. */
const containerName = (task: TaskView): string => `${taskName(task)}.${task.id}`

export function containerRequest(task: TaskView, place: RequestPlace): ContainerRequest {
  const { spec } = task
  return {
    taskId: task.id,
    name: containerName(task),
    image: spec.image,
    command: spec.command,
    args: spec.args,
    env: spec.env,
    labels: { ...spec.containerLabels, ...ownLabels(task, place) },
    nanoCpus: spec.limits.nanoCpus,
    memoryBytes: spec.limits.memoryBytes,
    targetPorts: place.targetPorts,
    facts: {
      task: task.id,
      slot: String(task.slot),
      node: place.node,
      service: task.serviceName,
    },
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
