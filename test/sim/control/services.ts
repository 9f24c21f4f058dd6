import type { CatalogReader } from '../../../mesh/catalog/types.ts'
import type { Json } from '../../../mesh/base/json.ts'
import type { Change, StoredObject } from '../../../mesh/catalog/types.ts'
import { serviceClaims } from '../../../src/model/claims.ts'
import type { Node, Service, ServiceSpec } from '../../../src/model/docker.ts'

const second = 1e9

/** Of every kind that the rules treat differently. */
export const specs: readonly ServiceSpec[] = [
  {
    Name: 'web',
    TaskTemplate: {
      ContainerSpec: { Image: 'good-1' },
      RestartPolicy: { Delay: second },
      Placement: { Constraints: ['node.labels.zone!=c'] },
    },
    Mode: { Replicated: { Replicas: 5 } },
    UpdateConfig: { Order: 'start-first', Parallelism: 2, FailureAction: 'rollback' },
    RollbackConfig: { Order: 'start-first', Parallelism: 2 },
    EndpointSpec: { Ports: [{ Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080 }] },
  },
  {
    Name: 'db',
    TaskTemplate: {
      ContainerSpec: { Image: 'good-1', StopGracePeriod: 3 * second },
      Resources: { Reservations: { MemoryBytes: 1e9 } },
      RestartPolicy: { Delay: second },
    },
    Mode: { Replicated: { Replicas: 3 } },
    UpdateConfig: { Order: 'stop-first', Delay: 2 * second, MaxFailureRatio: 0.4 },
    RollbackConfig: { Order: 'stop-first' },
  },
  {
    Name: 'agent',
    TaskTemplate: { ContainerSpec: { Image: 'good-1' }, RestartPolicy: { Delay: second } },
    Mode: { Global: {} },
    UpdateConfig: { Order: 'stop-first', Parallelism: 2, FailureAction: 'continue' },
    RollbackConfig: { Order: 'stop-first' },
  },
  {
    Name: 'edge',
    TaskTemplate: {
      ContainerSpec: { Image: 'good-1' },
      Placement: { MaxReplicas: 1 },
      RestartPolicy: { Delay: second, Condition: 'on-failure' },
    },
    Mode: { Replicated: { Replicas: 3 } },
    UpdateConfig: { Order: 'stop-first', Parallelism: 1 },
    RollbackConfig: { Order: 'stop-first' },
    EndpointSpec: {
      Ports: [{ Protocol: 'tcp', TargetPort: 53, PublishedPort: 53, PublishMode: 'host' }],
    },
  },
  {
    Name: 'batch',
    TaskTemplate: {
      ContainerSpec: { Image: 'once-1' },
      Resources: { Reservations: { NanoCPUs: 1e9 } },
      RestartPolicy: { Delay: second, Condition: 'on-failure', MaxAttempts: 2 },
    },
    Mode: { Replicated: { Replicas: 2 } },
    // Tasks that are done soon look like failures to an update, as in Swarm.
    UpdateConfig: { Order: 'stop-first', FailureAction: 'continue' },
    RollbackConfig: { Order: 'stop-first' },
  },
]

/** A service's object as the API makes it. */
export function creationOf(id: string, spec: ServiceSpec, index: number): Change {
  const body: Service = {
    Spec: spec,
    Endpoint: { Ports: spec.EndpointSpec?.Ports ?? [] },
    SpecVersion: { Index: index },
  }
  const object = { kind: 'service', id, claims: serviceClaims(body), body: asJson(body) }
  return { kind: 'create', object }
}

/** As the API does it: the former spec is kept, and a former update is over. */
export function respec(catalog: CatalogReader, object: StoredObject, Spec: ServiceSpec): Change {
  const { UpdateStatus: _former, ...before } = object.body as unknown as Service
  const body: Service = {
    ...before,
    Spec,
    PreviousSpec: before.Spec,
    Endpoint: { Ports: Spec.EndpointSpec?.Ports ?? [] },
    SpecVersion: { Index: catalog.index + 1 },
  }
  const { kind, id, version } = object
  const changed = { kind, id, claims: serviceClaims(body), body: asJson(body) }
  return { kind: 'update', object: changed, ifVersion: version }
}

export function nodeChange(object: StoredObject, spec: Partial<Node['Spec']>): Change {
  const node = object.body as unknown as Node
  const body = asJson({ ...node, Spec: { ...node.Spec, ...spec } })
  return { kind: 'update', object: { ...withoutTimes(object), body }, ifVersion: object.version }
}

function withoutTimes({ kind, id, claims, body }: StoredObject): {
  kind: string
  id: string
  claims: readonly string[]
  body: Json
} {
  return { kind, id, claims, body }
}

const asJson = (value: object): Json => value as Json
