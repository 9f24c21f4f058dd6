import type { ServiceSpec, UpdateConfig } from '../model/docker.ts'
import { taskDefaults } from '../model/task-defaults.ts'

const rollout: UpdateConfig = {
  Parallelism: 1,
  FailureAction: 'pause',
  Monitor: 5_000_000_000,
  MaxFailureRatio: 0,
  Order: 'stop-first',
}

/** What `insertDefaults` asks for: the values that count where the spec is silent. */
export function withDefaults(spec: ServiceSpec): ServiceSpec {
  return {
    ...spec,
    TaskTemplate: taskDefaults(spec.TaskTemplate),
    UpdateConfig: { ...rollout, ...spec.UpdateConfig },
    RollbackConfig: { ...rollout, ...spec.RollbackConfig },
    EndpointSpec: { Mode: 'vip', ...spec.EndpointSpec },
  }
}

/** A service without a mode is replicated once; docker's CLI needs to read that. */
export function withMode(spec: ServiceSpec): ServiceSpec {
  if (spec.Mode?.Global !== undefined) return spec
  const replicas = spec.Mode?.Replicated?.Replicas ?? 1
  return { ...spec, Mode: { Replicated: { Replicas: replicas } } }
}
