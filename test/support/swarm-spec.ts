import type { ServiceSpec, UpdateConfig } from '../../src/client/types.ts'

/** What a story may say of its service; the rest is short delays and a `sleep` that lasts. */
export interface ServiceWish {
  /** Tells one version of the container from another. */
  readonly version?: number
  readonly replicas?: number
  readonly isGlobal?: boolean
  readonly command?: readonly string[]
  readonly constraints?: readonly string[]
  readonly spread?: readonly string[]
  readonly maxPerNode?: number
  readonly reserveBytes?: number
  readonly restart?: { readonly on?: string; readonly attempts?: number; readonly delayMs?: number }
  readonly update?: Rollout
  readonly rollback?: Rollout
  readonly force?: number
  readonly labels?: Readonly<Record<string, string>>
}

interface Rollout {
  readonly parallelism?: number
  readonly order?: 'stop-first' | 'start-first'
  readonly onFailure?: 'pause' | 'continue' | 'rollback'
  readonly ratio?: number
  readonly monitorMs?: number
  readonly delayMs?: number
}

export function specOf(name: string, wish: ServiceWish): ServiceSpec {
  const { version = 1, command = ['sleep', '3600'], restart = {}, labels = {} } = wish
  const { constraints, spread, maxPerNode, reserveBytes, force } = wish
  const { on = 'any', attempts = 0, delayMs = 500 } = restart
  const ContainerSpec = {
    Image: 'busybox:latest',
    Command: command,
    Env: [`V=${version}`],
    // Process 1 of a container ignores others, and nobody wants to wait here.
    StopSignal: 'SIGKILL',
    StopGracePeriod: nanoseconds(1_000),
  }
  const Placement = {
    ...(constraints !== undefined && { Constraints: constraints }),
    ...(spread !== undefined && { Preferences: spread.map(preference) }),
    ...(maxPerNode !== undefined && { MaxReplicas: maxPerNode }),
  }
  return {
    Name: name,
    Labels: labels,
    TaskTemplate: {
      ContainerSpec,
      RestartPolicy: { Condition: on, Delay: nanoseconds(delayMs), MaxAttempts: attempts },
      Placement,
      ...(reserveBytes !== undefined && {
        Resources: { Reservations: { MemoryBytes: reserveBytes } },
      }),
      ...(force !== undefined && { ForceUpdate: force }),
    },
    Mode: wish.isGlobal ? { Global: {} } : { Replicated: { Replicas: wish.replicas ?? 1 } },
    UpdateConfig: rollout(wish.update),
    RollbackConfig: rollout(wish.rollback),
  }
}

const preference = (SpreadDescriptor: string) => ({ Spread: { SpreadDescriptor } })

function rollout(wish: Rollout = {}): UpdateConfig {
  return {
    Parallelism: wish.parallelism ?? 1,
    Delay: nanoseconds(wish.delayMs ?? 0),
    FailureAction: wish.onFailure ?? 'pause',
    Monitor: nanoseconds(wish.monitorMs ?? 1_000),
    MaxFailureRatio: wish.ratio ?? 0,
    Order: wish.order ?? 'stop-first',
  }
}

const nanoseconds = (ms: number): number => ms * 1e6
