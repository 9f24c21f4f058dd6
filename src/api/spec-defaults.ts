import type { ContainerSpec, ServiceSpec } from '../model/docker.ts'

const second = 1_000_000_000

const rollout = {
  Parallelism: 1,
  FailureAction: 'pause',
  Monitor: 5 * second,
  MaxFailureRatio: 0,
  Order: 'stop-first',
}

/** What `insertDefaults` asks for: the values that count where the spec is silent. */
export function withDefaults(spec: ServiceSpec): ServiceSpec {
  const { TaskTemplate: task } = spec
  return {
    ...spec,
    TaskTemplate: {
      Runtime: 'container',
      ...task,
      ContainerSpec: containerDefaults(task.ContainerSpec),
      Resources: { Limits: {}, Reservations: {}, ...task.Resources },
      RestartPolicy: {
        Condition: 'any',
        Delay: 5 * second,
        MaxAttempts: 0,
        ...task.RestartPolicy,
      },
      Placement: { ...task.Placement },
    },
    UpdateConfig: { ...rollout, ...spec.UpdateConfig },
    RollbackConfig: { ...rollout, ...spec.RollbackConfig },
    EndpointSpec: { Mode: 'vip', ...spec.EndpointSpec },
  }
}

/** An interface would hide `Isolation`, which only other systems have a choice of. */
function containerDefaults(spec: ContainerSpec): ContainerSpec {
  const defaults = { StopGracePeriod: 10 * second, Isolation: 'default' }
  return { ...defaults, ...spec }
}

/** A service without a mode is replicated once; docker's CLI needs to read that. */
export function withMode(spec: ServiceSpec): ServiceSpec {
  if (spec.Mode?.Global !== undefined) return spec
  const replicas = spec.Mode?.Replicated?.Replicas ?? 1
  return { ...spec, Mode: { Replicated: { Replicas: replicas } } }
}
