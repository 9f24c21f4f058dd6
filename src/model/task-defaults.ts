import type { ContainerSpec, TaskSpec } from './docker.ts'

const second = 1_000_000_000

/** The values that count where a task's template is silent. */
export function taskDefaults(task: TaskSpec): TaskSpec {
  return {
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
  }
}

/** An interface would hide `Isolation`, which only other systems have a choice of. */
function containerDefaults(spec: ContainerSpec): ContainerSpec {
  const defaults = { StopGracePeriod: 10 * second, Isolation: 'default' }
  return { ...defaults, ...spec }
}
