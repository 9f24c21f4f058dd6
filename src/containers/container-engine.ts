import type { ContainerFacts } from '../model/container-facts.ts'
import type { ContainerSettings, Driver } from '../model/container-spec.ts'
import type { HostPort } from '../model/docker.ts'
import type { LogLine, LogQuery } from '../model/log-line.ts'

/** A container engine as a few verbs; `docker` and `process` implement it, one contract suite runs on both. */
export interface ContainerEngine {
  readonly kind: 'docker' | 'process'
  /** Facts for `node inspect`; rejects when the engine does not answer. */
  describe(): Promise<EngineDescription>
  /**
   * Makes the container (not started); idempotent per task id. Pulls the image when it is missing.
   * Rejects, as all of these do, with an `EngineFault` that says why.
   */
  create(request: ContainerRequest, watch?: CreateWatch): Promise<ContainerHandle>
  start(id: string): Promise<void>
  /** Stop signal, then SIGKILL after the grace period; resolves when it has ended. */
  stop(
    id: string,
    options: { readonly signal: string | null; readonly graceMs: number },
  ): Promise<void>
  /** Removes the (stopped) container; fine when it is gone. */
  remove(id: string): Promise<void>
  /** Null when there is no such container. */
  inspect(id: string): Promise<ContainerState | null>
  /** Containers of this node's tasks, running or not: what a restarted daemon adopts. */
  list(): Promise<readonly ContainerState[]>
  /**
   * What the container of a task printed, oldest first; nothing when there is none, or when it never
   * ran. Followed, it ends with the container. Faults as all the others do.
   */
  logs(taskId: string, query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine>
  /** Calls `listener` with a container's id when something happened to it (start, die, remove …). */
  watch(listener: (id: string) => void): () => void
  close(): Promise<void>
}

export interface CreateWatch {
  /** How a transfer of the image comes on, for people; as often as the engine says something. */
  readonly progress: (text: string) => void
  /** Nobody wants the container any more: a transfer for it alone is given up. */
  readonly signal: AbortSignal
}

export interface EngineDescription {
  readonly version: string
  readonly architecture: string
  readonly os: string
  readonly nanoCpus: number
  readonly memoryBytes: number
  readonly labels: Readonly<Record<string, string>>
}

export interface ContainerRequest {
  readonly taskId: string
  /** `service.slot.taskid`, Swarm's naming. */
  readonly name: string
  readonly image: string
  readonly command: readonly string[]
  readonly args: readonly string[]
  readonly env: readonly string[]
  /** Service's container labels and ours (cluster, node, task, service, slot). */
  readonly labels: Readonly<Record<string, string>>
  readonly nanoCpus: number
  readonly memoryBytes: number
  /** 0: no limit. */
  readonly pidsLimit: number
  /** Beyond the memory limit; null: as the engine has it, -1: no limit. */
  readonly swapBytes: number | null
  readonly swappiness: number | null
  /** Templates in it are expanded. */
  readonly settings: ContainerSettings
  readonly stopSignal: string | null
  readonly logDriver: Driver | null
  /** As a client's `X-Registry-Auth` brought it: not for logs. */
  readonly registryAuth: string | null
  /** Ports on the node's own address; `process` puts the first into PORT. */
  readonly hostPorts: readonly HostPort[]
  /** Ports that the ingress will dial; `process` puts the first into PORT. */
  readonly targetPorts: readonly number[]
  /** Facts that the built-in `meshd/whoami` prints; also put into the environment as MESH_*. */
  readonly facts: Readonly<Record<'task' | 'slot' | 'node' | 'service', string>>
}

export interface ContainerHandle {
  readonly id: string
}

export interface ContainerState extends ContainerFacts {
  readonly taskId: string
}
