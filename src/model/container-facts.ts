import type { HostPort } from './docker.ts'

/** A container as its engine shows it. */
export interface ContainerFacts {
  readonly id: string
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
