import type { ApiService, Quantities } from '../client/types.ts'
import { humanBytes } from './human.ts'
import { labelLines } from './node-commands.ts'

/** `service inspect --pretty`: what was asked for, and where it answers. */
export function prettyService(service: ApiService): string {
  const { Spec } = service
  const lines = [
    '',
    `ID:\t\t${service.ID}`,
    `Name:\t\t${Spec.Name}`,
    ...labelLines('Labels:', Spec.Labels),
    ...modeLines(service),
    ...placementLines(service),
    ...containerLines(service),
    ...resourceLines(service),
    ...restartLines(service),
    ...portLines(service),
    '',
  ]
  return `${lines.join('\n')}\n`
}

function modeLines({ Spec }: ApiService): string[] {
  if (Spec.Mode.Global !== undefined) return ['Service Mode:\tGlobal']
  return ['Service Mode:\tReplicated', ` Replicas:\t${Spec.Mode.Replicated?.Replicas ?? 1}`]
}

function placementLines({ Spec }: ApiService): string[] {
  const { Constraints = [], MaxReplicas = 0 } = Spec.TaskTemplate.Placement ?? {}
  return [
    'Placement:',
    ...(Constraints.length === 0 ? [] : [` Constraints:\t[${Constraints.join(' ')}]`]),
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
