import type { ContainerSettings, ContainerSpec, Driver } from './container-spec.ts'
import type { HostPort, PortConfig, TaskSpec } from './docker.ts'

export interface Quantities {
  readonly nanoCpus: number
  readonly memoryBytes: number
}

export interface Limits extends Quantities {
  /** 0: no limit. */
  readonly pids: number
  /** Beyond the memory limit; null: as the engine has it, -1: no limit. */
  readonly swapBytes: number | null
  readonly swappiness: number | null
}

export interface RestartPolicy {
  readonly condition: 'none' | 'on-failure' | 'any'
  readonly delayMs: number
  /** 0: no limit. */
  readonly maxAttempts: number
  /** How far back attempts are counted; 0: all of them. */
  readonly windowMs: number
}

/** What a task is made from, with Swarm's defaults filled in. */
export interface TaskSpecView {
  readonly image: string
  readonly command: readonly string[]
  readonly args: readonly string[]
  readonly env: readonly string[]
  readonly containerLabels: Readonly<Record<string, string>>
  readonly stopSignal: string | null
  readonly stopGraceMs: number
  /** Of these, what is absent is the image's or the engine's affair. */
  readonly settings: ContainerSettings
  readonly logDriver: Driver | null
  /** As `X-Registry-Auth` brought it: not for logs. */
  readonly registryAuth: string | null
  readonly limits: Limits
  readonly reservations: Quantities
  readonly restart: RestartPolicy
  readonly constraints: readonly string[]
  /** Labels whose values the tasks are spread over, such as `node.labels.zone`, one inside another. */
  readonly spreadOver: readonly string[]
  /** 0: no limit. */
  readonly maxReplicasPerNode: number
  readonly platforms: readonly Platform[]
  readonly hostPorts: readonly HostPort[]
}

/** An empty string is any. */
export interface Platform {
  readonly os: string
  readonly architecture: string
}

const defaultDelayNs = 5e9
const defaultStopGraceNs = 10e9
const noContainer: ContainerSpec = { Image: '' }

/** Undefined where a projection for a worker left the template out. */
export function taskSpecView(
  spec: TaskSpec | undefined,
  ports: readonly PortConfig[] = [],
): TaskSpecView {
  const container = spec?.ContainerSpec ?? noContainer
  const placement = spec?.Placement
  return {
    image: container.Image,
    command: container.Command ?? [],
    args: container.Args ?? [],
    env: container.Env ?? [],
    containerLabels: container.Labels ?? {},
    stopSignal: container.StopSignal || null,
    stopGraceMs: milliseconds(container.StopGracePeriod ?? defaultStopGraceNs),
    settings: container,
    logDriver: spec?.LogDriver?.Name === undefined ? null : spec.LogDriver,
    registryAuth: container.PullOptions?.RegistryAuth || null,
    limits: limits(spec?.Resources),
    reservations: quantities(spec?.Resources?.Reservations),
    restart: restartPolicy(spec?.RestartPolicy),
    constraints: placement?.Constraints ?? [],
    spreadOver: (placement?.Preferences ?? []).flatMap(
      ({ Spread: spread }) => spread?.SpreadDescriptor ?? [],
    ),
    maxReplicasPerNode: placement?.MaxReplicas ?? 0,
    platforms: (placement?.Platforms ?? []).map((platform) => ({
      os: platform.OS ?? '',
      architecture: platform.Architecture ?? '',
    })),
    hostPorts: ports.filter(({ PublishMode }) => PublishMode === 'host').map(hostPort),
  }
}

const hostPort = (port: PortConfig): HostPort => ({
  protocol: port.Protocol || 'tcp',
  targetPort: port.TargetPort,
  publishedPort: port.PublishedPort ?? 0,
})

function limits(resources: TaskSpec['Resources']): Limits {
  return {
    ...quantities(resources?.Limits),
    pids: resources?.Limits?.Pids ?? 0,
    swapBytes: resources?.SwapBytes ?? null,
    swappiness: resources?.MemorySwappiness ?? null,
  }
}

function restartPolicy(policy: TaskSpec['RestartPolicy']): RestartPolicy {
  return {
    condition: policy?.Condition || 'any',
    delayMs: milliseconds(policy?.Delay ?? defaultDelayNs),
    maxAttempts: policy?.MaxAttempts ?? 0,
    windowMs: milliseconds(policy?.Window ?? 0),
  }
}

function quantities(given?: {
  readonly NanoCPUs?: number
  readonly MemoryBytes?: number
}): Quantities {
  return { nanoCpus: given?.NanoCPUs ?? 0, memoryBytes: given?.MemoryBytes ?? 0 }
}

const milliseconds = (nanoseconds: number): number => nanoseconds / 1e6
