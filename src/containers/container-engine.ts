import type { ContainerSettings, Driver } from '../model/container-spec.ts'
import type { HostPort } from '../model/docker.ts'

/** A container engine as a few verbs; `docker` and `process` implement it, one contract suite runs on both. */
export interface ContainerEngine {
  readonly kind: 'docker' | 'process'
  /** Facts for `node inspect`; rejects when the engine does not answer. */
  describe(): Promise<EngineDescription>
  /** Why this node can never run such a task; null when it can. */
  refuses(request: ContainerRequest): string | null
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

export interface LogQuery {
  readonly stdout: boolean
  readonly stderr: boolean
  readonly follow: boolean
  /** So many of the last ones; null: all. */
  readonly tail: number | null
  /** Both inclusive, written like `LogLine.at`. */
  readonly since: string | null
  readonly until: string | null
}

/** One message; a line, unless it was too long for one message. */
export interface LogLine {
  /** RFC 3339 in UTC with nine decimals: in order as texts, too. */
  readonly at: string
  readonly stream: 'stdout' | 'stderr'
  /** What docker's `details` tells: `name=value` joined by commas. */
  readonly attributes: string
  /** With its line end, if it has one. */
  readonly text: Buffer
}

export interface ContainerHandle {
  readonly id: string
}

export interface ContainerState {
  readonly id: string
  readonly taskId: string
  /** Also while it is paused. */
  readonly running: boolean
  /** Somebody froze it by hand. */
  readonly paused?: boolean
  /** Another value after another start; absent until the first one. */
  readonly startedAt?: string
  readonly started: boolean
  readonly pid: number
  readonly exitCode: number | null
  readonly isOutOfMemory: boolean
  /** Absent when there is none. */
  readonly memoryLimitBytes?: number
  readonly health: 'none' | 'starting' | 'healthy' | 'unhealthy'
  /** Target port → where the ingress dials it; filled while it runs. */
  readonly targets: Readonly<Record<string, string>>
  /** What its last health check printed, once it is unhealthy. */
  readonly healthOutput?: string
  /** Host ports as it has them, filled while it runs; absent when there are none. */
  readonly hostPorts?: readonly HostPort[]
  /** What it printed last, once it has ended: tells people why. */
  readonly lastLine?: string
}
