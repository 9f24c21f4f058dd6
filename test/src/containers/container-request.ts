import type { ContainerRequest } from '../../../src/containers/container-engine.ts'

/** A request with every field filled in; `taskId` alone must differ between containers. */
export function containerRequest(
  taskId: string,
  given: Partial<ContainerRequest> = {},
): ContainerRequest {
  return {
    taskId,
    name: `web.1.${taskId}`,
    image: 'meshd/whoami',
    command: [],
    args: [],
    env: [],
    labels: {},
    nanoCpus: 0,
    memoryBytes: 0,
    pidsLimit: 0,
    swapBytes: null,
    swappiness: null,
    settings: {},
    stopSignal: null,
    logDriver: null,
    registryAuth: null,
    hostPorts: [],
    targetPorts: [],
    facts: { task: taskId, slot: '1', node: 'node-1', service: 'web' },
    ...given,
  }
}
