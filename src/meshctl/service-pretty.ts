import type { ApiService, Explanation, Quantities, UpdateConfig } from '../client/types.ts'
import { humanBytes } from './human.ts'
import { labelLines } from './node-commands.ts'

export interface PrettyFacts {
  readonly explanation: Explanation
  /** Where its ports do not answer. */
  readonly closed: readonly string[]
}

/** `service inspect --pretty`: what was asked for, why it is not so yet, and where it answers. */
export function prettyService(service: ApiService, more: PrettyFacts): string {
  const { Spec } = service
  const lines = [
    '',
    `ID:\t\t${service.ID}`,
    `Name:\t\t${Spec.Name}`,
    ...labelLines('Labels:', Spec.Labels),
    ...modeLines(service),
    ...statusLines(service),
    ...placementLines(service),
    ...configLines('UpdateConfig:', Spec.UpdateConfig),
    ...configLines('RollbackConfig:', Spec.RollbackConfig),
    ...containerLines(service),
    ...resourceLines(service),
    ...restartLines(service),
    ...portLines(service),
    ...more.closed,
    ...waitingLines(more.explanation),
    '',
  ]
  return `${lines.join('\n')}\n`
}

/** Why tasks have no node; nothing when none waits for one. */
export function waitingLines({ Lines, Hint }: Explanation): string[] {
  if (Lines.length === 0) return []
  const hint = Hint === '' ? [] : [` hint: ${Hint}`]
  return ['Tasks wait for a node:', ...Lines.map((line) => ` * ${line}`), ...hint]
}

function modeLines({ Spec }: ApiService): string[] {
  if (Spec.Mode.Global !== undefined) return ['Service Mode:\tGlobal']
  return ['Service Mode:\tReplicated', ` Replicas:\t${Spec.Mode.Replicated?.Replicas ?? 1}`]
}

function statusLines({ UpdateStatus: status }: ApiService): string[] {
  if (status === undefined) return []
  const { State, StartedAt, CompletedAt, Message } = status
  return [
    'UpdateStatus:',
    ` State:\t\t${State}`,
    ...(StartedAt === undefined ? [] : [` Started:\t${StartedAt}`]),
    ...(CompletedAt === undefined ? [] : [` Completed:\t${CompletedAt}`]),
    ` Message:\t${Message ?? ''}`,
  ]
}

function configLines(title: string, config: UpdateConfig | undefined): string[] {
  if (config === undefined) return []
  const { Parallelism = 1, Delay = 0, Monitor = 0, MaxFailureRatio = 0 } = config
  return [
    title,
    ` Parallelism:\t${Parallelism}`,
    ...(Delay === 0 ? [] : [` Delay:\t\t${Delay / 1e9}s`]),
    ` On failure:\t${config.FailureAction ?? 'pause'}`,
    ` Monitoring Period: ${Monitor / 1e9}s`,
    ` Max failure ratio: ${MaxFailureRatio}`,
    ` Update order:      ${config.Order ?? 'stop-first'}`,
  ]
}

function placementLines({ Spec }: ApiService): string[] {
  const { Constraints = [], Preferences = [], MaxReplicas = 0 } = Spec.TaskTemplate.Placement ?? {}
  const spreads = Preferences.map(
    ({ Spread: spread }) => `spread=${spread?.SpreadDescriptor ?? ''}`,
  )
  return [
    'Placement:',
    ...(Constraints.length === 0 ? [] : [` Constraints:\t[${Constraints.join(' ')}]`]),
    ...(spreads.length === 0 ? [] : [` Preferences:\t[${spreads.join(' ')}]`]),
    ...(MaxReplicas === 0 ? [] : [` Max Replicas Per Node:\t${MaxReplicas}`]),
  ]
}

function containerLines({ Spec }: ApiService): string[] {
  const { Image, Command, Args, Env, Labels } = Spec.TaskTemplate.ContainerSpec
  return [
    'ContainerSpec:',
    ` Image:\t\t${Image}`,
    ...(Command === undefined ? [] : [` Command:\t${Command.join(' ')}`]),
    ...(Args === undefined ? [] : [` Args:\t\t${Args.join(' ')}`]),
    ...(Env === undefined ? [] : [` Env:\t\t${Env.join(' ')}`]),
    ...labelLines(' Container Labels:', Labels),
  ]
}

function resourceLines({ Spec }: ApiService): string[] {
  const { Limits = {}, Reservations = {} } = Spec.TaskTemplate.Resources ?? {}
  const lines = [
    ...quantityLines(' Reservations:', Reservations),
    ...quantityLines(' Limits:', Limits),
  ]
  return lines.length === 0 ? [] : ['Resources:', ...lines]
}

function quantityLines(title: string, { NanoCPUs = 0, MemoryBytes = 0 }: Quantities): string[] {
  const lines = [
    ...(NanoCPUs === 0 ? [] : [`  CPU:\t\t${NanoCPUs / 1e9}`]),
    ...(MemoryBytes === 0 ? [] : [`  Memory:\t${humanBytes(MemoryBytes)}`]),
  ]
  return lines.length === 0 ? [] : [title, ...lines]
}

function restartLines({ Spec }: ApiService): string[] {
  const { Condition = 'any', Delay = 0, MaxAttempts = 0 } = Spec.TaskTemplate.RestartPolicy ?? {}
  return [
    'RestartPolicy:',
    ` Condition:\t${Condition}`,
    ` Delay:\t\t${Delay / 1e9}s`,
    ...(MaxAttempts === 0 ? [] : [` Max Attempts:\t${MaxAttempts}`]),
  ]
}

function portLines({ Endpoint }: ApiService): string[] {
  const ports = Endpoint?.Ports ?? []
  if (ports.length === 0) return []
  return [
    'Ports:',
    ...ports.flatMap(({ PublishedPort, TargetPort, Protocol, PublishMode }) => [
      ` PublishedPort = ${PublishedPort ?? ''}`,
      `  Protocol = ${Protocol ?? 'tcp'}`,
      `  TargetPort = ${TargetPort}`,
      `  PublishMode = ${PublishMode ?? 'ingress'}`,
    ]),
  ]
}
