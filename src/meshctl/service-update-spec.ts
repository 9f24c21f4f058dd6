import type { Labels, PortConfig, ServiceSpec } from '../client/types.ts'
import { usage } from './command-error.ts'
import { type ContainerFlags, containerPart, wordsOf } from './container-flags.ts'
import { parsePreference } from './placement-flags.ts'
import { parsePublish } from './publish.ts'
import { count } from './quantities.ts'
import { type RolloutFlags, rollbackConfigOf, updateConfigOf } from './rollout-flags.ts'
import { limitsOf, reservationsOf, restartOf, type ServiceFlags } from './service-spec.ts'
import { environmentEntry, given, pairs } from './spec-parts.ts'

/** Flags of `service update` that change a spec, as commander collects them. */
export interface UpdateFlags extends RolloutFlags, SameAsCreate {
  readonly image?: string
  readonly args?: string
  readonly envAdd?: readonly string[]
  readonly envRm?: readonly string[]
  readonly labelAdd?: readonly string[]
  readonly labelRm?: readonly string[]
  readonly containerLabelAdd?: readonly string[]
  readonly containerLabelRm?: readonly string[]
  readonly publishAdd?: readonly string[]
  readonly publishRm?: readonly string[]
  readonly constraintAdd?: readonly string[]
  readonly constraintRm?: readonly string[]
  readonly placementPrefAdd?: readonly string[]
  readonly placementPrefRm?: readonly string[]
  readonly force?: boolean
}

type SameAsCreate = Pick<
  ServiceFlags & ContainerFlags,
  | 'replicas'
  | 'limitCpu'
  | 'limitMemory'
  | 'limitPids'
  | 'reserveCpu'
  | 'reserveMemory'
  | 'restartCondition'
  | 'restartDelay'
  | 'restartMaxAttempts'
  | 'restartWindow'
  | 'replicasMaxPerNode'
  | 'entrypoint'
  | 'hostname'
  | 'init'
  | 'readOnly'
  | 'stopGracePeriod'
  | 'stopSignal'
  | 'tty'
  | 'user'
  | 'workdir'
>

type Environment = Readonly<Record<string, string | undefined>>

/** The spec that docker's CLI would post for the same flags; what they do not name stays as it is. */
export function updatedSpec(spec: ServiceSpec, flags: UpdateFlags, env: Environment): ServiceSpec {
  const { TaskTemplate: task } = spec
  const forced = typeof task['ForceUpdate'] === 'number' ? task['ForceUpdate'] : 0
  return {
    ...spec,
    Labels: labels(spec.Labels, flags.labelAdd, flags.labelRm),
    TaskTemplate: {
      ...task,
      ContainerSpec: containerOf(spec, flags, env),
      Resources: {
        ...task.Resources,
        Limits: { ...task.Resources?.Limits, ...limitsOf(flags) },
        Reservations: { ...task.Resources?.Reservations, ...reservationsOf(flags) },
      },
      ...merged('RestartPolicy', task.RestartPolicy, restartOf(flags).RestartPolicy),
      Placement: placementOf(spec, flags),
      ...(flags.force === true && { ForceUpdate: forced + 1 }),
    },
    Mode: modeOf(spec, flags),
    ...merged('UpdateConfig', spec.UpdateConfig, updateConfigOf(flags)),
    ...merged('RollbackConfig', spec.RollbackConfig, rollbackConfigOf(flags)),
    EndpointSpec: endpointOf(spec, flags),
  }
}

function merged<Key extends string>(
  key: Key,
  before: object | undefined,
  said: object | undefined = {},
): { readonly [K in Key]?: object } {
  if (Object.keys(said).length === 0) return {}
  return { [key]: { ...before, ...said } } as { readonly [K in Key]: object }
}

function containerOf(
  { TaskTemplate: { ContainerSpec: before } }: ServiceSpec,
  flags: UpdateFlags,
  env: Environment,
): ServiceSpec['TaskTemplate']['ContainerSpec'] {
  const { envAdd, envRm, containerLabelAdd, containerLabelRm } = flags
  const isEnvNamed = envAdd !== undefined || envRm !== undefined
  const isLabelNamed = containerLabelAdd !== undefined || containerLabelRm !== undefined
  return {
    ...before,
    ...containerPart(withoutLists(flags), env),
    ...given(flags.image, (Image) => ({ Image })),
    ...given(flags.args, (text) => ({ Args: text === '' ? [] : wordsOf('--args', text) })),
    ...(isEnvNamed && { Env: environment(before.Env, flags, env) }),
    ...(isLabelNamed && { Labels: labels(before.Labels, containerLabelAdd, containerLabelRm) }),
  }
}

/** Flags that mean the same as at create; others are lists of what to add and what to remove. */
function withoutLists(flags: UpdateFlags): ContainerFlags {
  const { entrypoint, hostname, init, readOnly, tty, user, workdir } = flags
  const { stopGracePeriod, stopSignal } = flags
  const given = {
    ...{ entrypoint, hostname, init, readOnly, tty, user, workdir },
    ...{ stopGracePeriod, stopSignal },
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

function environment(
  before: readonly string[] = [],
  { envAdd = [], envRm = [] }: UpdateFlags,
  env: Environment,
): string[] {
  const entries = new Map(before.map((entry) => [nameOf(entry), entry]))
  for (const name of envRm) entries.delete(name)
  for (const entry of envAdd.flatMap((text) => environmentEntry(text, env))) {
    entries.set(nameOf(entry), entry)
  }
  return [...entries.values()]
}

const nameOf = (entry: string): string => entry.split('=', 1)[0] ?? entry

function labels(
  before: Labels = {},
  added: readonly string[] = [],
  removed: readonly string[] = [],
): Labels {
  const kept = Object.entries(before).filter(([name]) => !removed.includes(name))
  return { ...Object.fromEntries(kept), ...pairs('--label-add', added) }
}

function placementOf(
  { TaskTemplate: { Placement: before = {} } }: ServiceSpec,
  flags: UpdateFlags,
): NonNullable<ServiceSpec['TaskTemplate']['Placement']> {
  const preferences = edited(before.Preferences, {
    added: (flags.placementPrefAdd ?? []).map(parsePreference),
    removed: (flags.placementPrefRm ?? []).map(parsePreference),
  })
  const constraints = edited(before.Constraints, {
    added: flags.constraintAdd ?? [],
    removed: flags.constraintRm ?? [],
  })
  return {
    ...before,
    ...(constraints !== undefined && { Constraints: constraints }),
    ...(preferences !== undefined && { Preferences: preferences }),
    ...given(flags.replicasMaxPerNode, (text) => ({
      MaxReplicas: count('--replicas-max-per-node', text),
    })),
  }
}

/** Undefined when there is nothing, and was nothing. */
function edited<T>(
  before: readonly T[] | undefined,
  { added, removed }: { readonly added: readonly T[]; readonly removed: readonly T[] },
): readonly T[] | undefined {
  const isIn = (list: readonly T[], item: T): boolean =>
    list.some((other) => JSON.stringify(other) === JSON.stringify(item))
  const kept = (before ?? []).filter((item) => !isIn(removed, item))
  const after = [...kept, ...added.filter((item) => !isIn(kept, item))]
  return after.length === 0 && before === undefined ? undefined : after
}

function modeOf({ Name, Mode: mode }: ServiceSpec, { replicas }: UpdateFlags): ServiceSpec['Mode'] {
  if (replicas === undefined) return mode
  if (mode.Global !== undefined) throw usage(`--replicas: service ${Name} is global`)
  return { Replicated: { Replicas: count('--replicas', replicas) } }
}

function endpointOf(
  { EndpointSpec: before = {} }: ServiceSpec,
  { publishAdd = [], publishRm = [] }: UpdateFlags,
): NonNullable<ServiceSpec['EndpointSpec']> {
  if (publishAdd.length === 0 && publishRm.length === 0) return before
  const removed = publishRm.map(parsePublish)
  const kept = (before.Ports ?? []).filter(
    (port) => !removed.some((one) => isSameTarget(one, port)),
  )
  const added = publishAdd
    .map(parsePublish)
    .filter((port) => !kept.some((one) => isSame(one, port)))
  return { ...before, Ports: [...kept, ...added] }
}

/** Docker removes ports by the target, whatever was published for it. */
const isSameTarget = (one: PortConfig, other: PortConfig): boolean =>
  one.TargetPort === other.TargetPort && (one.Protocol ?? 'tcp') === (other.Protocol ?? 'tcp')

const isSame = (one: PortConfig, other: PortConfig): boolean =>
  isSameTarget(one, other) && one.PublishedPort === other.PublishedPort
