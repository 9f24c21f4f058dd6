import type { ServiceSpec, UpdateConfig } from '../client/types.ts'
import { usage } from './command-error.ts'
import { type ContainerFlags, containerPart } from './container-flags.ts'
import { parsePreference } from './placement-flags.ts'
import { parsePublish } from './publish.ts'
import { count, durationNs, nanoCpus, sizeBytes } from './quantities.ts'
import { type RolloutFlags, rollbackConfigOf, updateConfigOf } from './rollout-flags.ts'
import { filled, given, pairs } from './spec-parts.ts'

/** Flags of `service create` as commander collects them. */
export interface ServiceFlags extends ContainerFlags, RolloutFlags {
  readonly name?: string
  readonly mode?: string
  readonly replicas?: string
  readonly publish?: readonly string[]
  readonly constraint?: readonly string[]
  readonly placementPref?: readonly string[]
  readonly label?: readonly string[]
  readonly limitCpu?: string
  readonly limitMemory?: string
  readonly limitPids?: string
  readonly logDriver?: string
  readonly logOpt?: readonly string[]
  readonly reserveCpu?: string
  readonly reserveMemory?: string
  readonly restartCondition?: string
  readonly restartDelay?: string
  readonly restartMaxAttempts?: string
  readonly restartWindow?: string
  readonly replicasMaxPerNode?: string
}

export interface ServiceOrder {
  readonly flags: ServiceFlags
  readonly image: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
}

/** The spec that docker's CLI would post for the same flags. */
export function serviceSpecOf({ flags, image, args, env }: ServiceOrder): ServiceSpec {
  return {
    Name: flags.name ?? '',
    Labels: pairs('--label', flags.label ?? []),
    TaskTemplate: {
      ContainerSpec: {
        Image: image,
        ...filled('Args', args),
        ...containerPart(flags, env),
      },
      Resources: { Limits: limitsOf(flags), Reservations: reservationsOf(flags) },
      ...restartOf(flags),
      ...logOf(flags),
      Placement: {
        ...filled('Constraints', flags.constraint ?? []),
        ...filled('Preferences', (flags.placementPref ?? []).map(parsePreference)),
        ...given(flags.replicasMaxPerNode, (text) => ({
          MaxReplicas: count('--replicas-max-per-node', text),
        })),
      },
    },
    Mode: modeOf(flags),
    ...unlessEmpty('UpdateConfig', updateConfigOf(flags)),
    ...unlessEmpty('RollbackConfig', rollbackConfigOf(flags)),
    EndpointSpec: { Mode: 'vip', ...filled('Ports', (flags.publish ?? []).map(parsePublish)) },
  }
}

const unlessEmpty = (key: 'UpdateConfig' | 'RollbackConfig', config: UpdateConfig): object =>
  Object.keys(config).length === 0 ? {} : { [key]: config }

function modeOf({ mode = 'replicated', replicas }: ServiceFlags): ServiceSpec['Mode'] {
  if (mode === 'global') {
    if (replicas !== undefined) throw usage('--replicas does not go with --mode global')
    return { Global: {} }
  }
  if (mode !== 'replicated') throw usage(`invalid --mode ${mode}`, 'use replicated or global')
  return { Replicated: { Replicas: replicas === undefined ? 1 : count('--replicas', replicas) } }
}

export const limitsOf = ({ limitCpu, limitMemory, limitPids }: ServiceFlags): object => ({
  ...given(limitCpu, (text) => ({ NanoCPUs: nanoCpus('--limit-cpu', text) })),
  ...given(limitMemory, (text) => ({ MemoryBytes: sizeBytes('--limit-memory', text) })),
  ...given(limitPids, (text) => ({ Pids: count('--limit-pids', text) })),
})

export const reservationsOf = ({ reserveCpu, reserveMemory }: ServiceFlags): object => ({
  ...given(reserveCpu, (text) => ({ NanoCPUs: nanoCpus('--reserve-cpu', text) })),
  ...given(reserveMemory, (text) => ({ MemoryBytes: sizeBytes('--reserve-memory', text) })),
})

function logOf({ logDriver, logOpt }: ServiceFlags): object {
  if (logDriver === undefined) {
    if (logOpt !== undefined) throw usage('--log-opt needs --log-driver')
    return {}
  }
  const options = logOpt === undefined ? {} : { Options: pairs('--log-opt', logOpt) }
  return { LogDriver: { Name: logDriver, ...options } }
}

const conditions = ['none', 'on-failure', 'any']

export function restartOf(flags: ServiceFlags): Pick<ServiceSpec['TaskTemplate'], 'RestartPolicy'> {
  const { restartCondition, restartDelay, restartMaxAttempts, restartWindow } = flags
  if (restartCondition !== undefined && !conditions.includes(restartCondition)) {
    throw usage(`invalid --restart-condition ${restartCondition}`, `use ${conditions.join(', ')}`)
  }
  const policy = {
    ...given(restartCondition, (Condition) => ({ Condition })),
    ...given(restartDelay, (text) => ({ Delay: durationNs('--restart-delay', text) })),
    ...given(restartMaxAttempts, (text) => ({
      MaxAttempts: count('--restart-max-attempts', text),
    })),
    ...given(restartWindow, (text) => ({ Window: durationNs('--restart-window', text) })),
  }
  return Object.keys(policy).length === 0 ? {} : { RestartPolicy: policy }
}
