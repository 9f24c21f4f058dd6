import type { IncomingMessage } from 'node:http'
import type { Service, ServiceSpec, Task, TaskSpec } from '../model/docker.ts'
import { badRequest } from './api-error.ts'

const maxLength = 64 * 1024

/** The credentials that a client sends along, as they came; null when it sent none. */
export function registryAuthOf(req: IncomingMessage): string | null {
  const header = req.headers['x-registry-auth']
  if (typeof header !== 'string' || header === '') return null
  const auth = decoded(header)
  if (auth === null) {
    throw badRequest('invalid X-Registry-Auth header', 'it must be base64url of a JSON object')
  }
  // Docker's client sends an empty object for a registry that it has no account with.
  return Object.values(auth).some((value) => value !== '') ? header : null
}

function decoded(header: string): object | null {
  if (header.length > maxLength || !/^[\w+/-]*={0,2}$/.test(header)) return null
  try {
    const value: unknown = JSON.parse(Buffer.from(header, 'base64url').toString('utf8'))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null
  } catch {
    return null
  }
}

/** Kept with the spec, as Docker does, so that credentials go wherever its tasks go. */
export function withRegistryAuth<Spec extends Pick<ServiceSpec, 'TaskTemplate'>>(
  spec: Spec,
  auth: string | null,
): Spec {
  if (auth === null) return spec
  const { TaskTemplate: task } = spec
  const container = { ...task.ContainerSpec, PullOptions: { RegistryAuth: auth } }
  return { ...spec, TaskTemplate: { ...task, ContainerSpec: container } }
}

/**
 * What an update pulls with: what it brought, else what `registryAuthFrom` names: the spec as it
 * is, or the one before it.
 */
export function registryAuthOfUpdate(
  req: IncomingMessage,
  from: string | null,
  { Spec, PreviousSpec }: { readonly Spec: ServiceSpec; readonly PreviousSpec?: ServiceSpec },
): string | null {
  const sent = registryAuthOf(req)
  if (sent !== null) return sent
  switch (from ?? '') {
    case '':
    case 'spec':
      return storedAuth(Spec)
    case 'previous-spec':
      return PreviousSpec === undefined ? null : storedAuth(PreviousSpec)
    default:
      throw badRequest(`invalid registryAuthFrom ${from}`, undefined, 'use spec or previous-spec')
  }
}

const storedAuth = (spec: ServiceSpec): string | null =>
  spec.TaskTemplate.ContainerSpec.PullOptions?.RegistryAuth ?? null

/** A service as clients may see it. */
export function withoutServiceAuth(service: Service): Service {
  const { Spec, PreviousSpec } = service
  return {
    ...service,
    Spec: withoutSpecAuth(Spec),
    ...(PreviousSpec !== undefined && { PreviousSpec: withoutSpecAuth(PreviousSpec) }),
  }
}

/** A task as clients may see it. */
export const withoutTaskAuth = (task: Task): Task => ({ ...task, Spec: withoutAuth(task.Spec) })

const withoutSpecAuth = (spec: ServiceSpec): ServiceSpec => ({
  ...spec,
  TaskTemplate: withoutAuth(spec.TaskTemplate),
})

function withoutAuth(task: TaskSpec): TaskSpec {
  const { PullOptions: _secret, ...container } = task.ContainerSpec
  return { ...task, ContainerSpec: container }
}
