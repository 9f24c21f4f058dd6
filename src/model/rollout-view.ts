import type { UpdateConfig } from './docker.ts'

/** How tasks of a service are replaced, with Swarm's defaults filled in. */
export interface RolloutView {
  /** Places at once; infinite when all may go together. */
  readonly parallelism: number
  /** Between one place that is done and the next. */
  readonly delayMs: number
  /** A new task that ends sooner than this after it began to run has failed. */
  readonly monitorMs: number
  readonly onFailure: 'pause' | 'continue' | 'rollback'
  /** Failed places of all places; more than this is a failure of the whole. */
  readonly maxFailureRatio: number
  readonly order: 'stop-first' | 'start-first'
}

const defaultMonitorNs = 5e9

export function rolloutView(config: UpdateConfig = {}): RolloutView {
  return {
    parallelism: config.Parallelism === 0 ? Number.POSITIVE_INFINITY : (config.Parallelism ?? 1),
    delayMs: (config.Delay ?? 0) / 1e6,
    monitorMs: (config.Monitor ?? defaultMonitorNs) / 1e6,
    onFailure: config.FailureAction || 'pause',
    maxFailureRatio: config.MaxFailureRatio ?? 0,
    order: config.Order || 'stop-first',
  }
}
