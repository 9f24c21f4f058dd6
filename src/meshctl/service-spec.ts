import type { Labels, ServiceSpec } from '../client/types.ts'
import { usage } from './command-error.ts'
import { parsePublish } from './publish.ts'
import { count, durationNs, nanoCpus, sizeBytes } from './quantities.ts'

/** Flags of `service create` as commander collects them. */
export interface ServiceFlags {
  readonly name?: string
  readonly mode?: string
  readonly replicas?: string
  readonly publish?: readonly string[]
  readonly constraint?: readonly string[]
  readonly env?: readonly string[]
  readonly label?: readonly string[]
  readonly containerLabel?: readonly string[]
  readonly limitCpu?: string
  readonly limitMemory?: string
  readonly reserveCpu?: string
  readonly reserveMemory?: string
  readonly restartCondition?: string
  readonly restartDelay?: string
  readonly restartMaxAttempts?: string
  readonly restartWindow?: string
  readonly stopGracePeriod?: string
  readonly stopSignal?: string
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
        ...filled(
          'Env',
          (flags.env ?? []).flatMap((entry) => environmentEntry(entry, env)),
        ),
        ...(flags.containerLabel === undefined
          ? {}
          : { Labels: pairs('--container-label', flags.containerLabel) }),
        ...given(flags.stopSignal, (StopSignal) => ({ StopSignal })),
        ...given(flags.stopGracePeriod, (text) => ({
          StopGracePeriod: durationNs('--stop-grace-period', text),
        })),
      },
      Resources: { Limits: limitsOf(flags), Reservations: reservationsOf(flags) },
      ...restartOf(flags),
      Placement: {
        ...filled('Constraints', flags.constraint ?? []),
        ...given(flags.replicasMaxPerNode, (text) => ({
          MaxReplicas: count('--replicas-max-per-node', text),
        })),
      },
    },
    Mode: modeOf(flags),
    EndpointSpec: { Mode: 'vip', ...filled('Ports', (flags.publish ?? []).map(parsePublish)) },
  }
}

function modeOf({ mode = 'replicated', replicas }: ServiceFlags): ServiceSpec['Mode'] {
  if (mode === 'global') {
    if (replicas !== undefined) throw usage('--replicas does not go with --mode global')
    return { Global: {} }
  }
  if (mode !== 'replicated') throw usage(`invalid --mode ${mode}`, 'use replicated or global')
  return { Replicated: { Replicas: replicas === undefined ? 1 : count('--replicas', replicas) } }
}

const limitsOf = ({ limitCpu, limitMemory }: ServiceFlags): object => ({
  ...given(limitCpu, (text) => ({ NanoCPUs: nanoCpus('--limit-cpu', text) })),
  ...given(limitMemory, (text) => ({ MemoryBytes: sizeBytes('--limit-memory', text) })),
})

const reservationsOf = ({ reserveCpu, reserveMemory }: ServiceFlags): object => ({
  ...given(reserveCpu, (text) => ({ NanoCPUs: nanoCpus('--reserve-cpu', text) })),
  ...given(reserveMemory, (text) => ({ MemoryBytes: sizeBytes('--reserve-memory', text) })),
})

const conditions = ['none', 'on-failure', 'any']

function restartOf(flags: ServiceFlags): object {
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

/** `key=value`, or `key` for an empty value. */
export function pairs(flag: string, entries: readonly string[]): Labels {
  return Object.fromEntries(
    entries.map((entry): [string, string] => {
      const cut = entry.indexOf('=')
      if (cut === 0 || entry === '') throw usage(`invalid ${flag} ${JSON.stringify(entry)}`)
      return cut < 0 ? [entry, ''] : [entry.slice(0, cut), entry.slice(cut + 1)]
    }),
  )
}

/** A name alone takes the value that it has here, and none when it has none, as in docker. */
function environmentEntry(
  entry: string,
  env: Readonly<Record<string, string | undefined>>,
): string[] {
  if (entry.startsWith('=') || entry === '') throw usage(`invalid --env ${JSON.stringify(entry)}`)
  if (entry.includes('=')) return [entry]
  const value = env[entry]
  return value === undefined ? [] : [`${entry}=${value}`]
}

const given = <T extends object>(text: string | undefined, make: (text: string) => T): Partial<T> =>
  text === undefined ? {} : make(text)

const filled = <Key extends string, Value>(
  key: Key,
  values: readonly Value[],
): { readonly [K in Key]?: readonly Value[] } =>
  values.length === 0 ? {} : ({ [key]: values } as { readonly [K in Key]: readonly Value[] })
