import type { NodeId } from '../../mesh/base/ids.ts'
import type { Json } from '../../mesh/base/json.ts'
import type { CatalogReader, StoredObject } from '../../mesh/catalog/types.ts'
import type { Cluster, Node, Service, Task } from './docker.ts'

/**
 * What a worker may see: its own tasks whole, of everything else what routing and display need.
 * It lists what goes out, never what stays: a field or kind that is added later is not seen until
 * somebody writes it here.
 */
export function project(catalog: CatalogReader, worker: NodeId): StoredObject[] {
  return [
    ...catalog.list('cluster').map(reduceCluster),
    ...catalog.list('node').map((object) => reduceNode(object, worker)),
    ...catalog.list('service').map(reduceService),
    ...catalog.list('task').flatMap((object) => reduceTask(object, worker)),
  ]
}

function reduceCluster(object: StoredObject): StoredObject {
  const { CreatedAt, CaCertificatePem, CaIntermediatePem, CaRotation, Secrets } =
    object.body as unknown as Cluster
  const { GossipKeys } = Secrets
  return withBody(object, {
    CreatedAt,
    CaCertificatePem,
    GossipKeys,
    ...(CaIntermediatePem !== undefined && { CaIntermediatePem }),
    ...(CaRotation !== undefined && { CaRotation }),
  })
}

function reduceNode(object: StoredObject, worker: NodeId): StoredObject {
  if (object.id === worker) return object
  const { Spec, Description, Status, ManagerStatus, Mesh } = object.body as unknown as Node
  const { Hostname, Platform, Runtime } = Description
  return withBody(object, {
    Spec: { Name: Spec.Name, Role: Spec.Role, Availability: Spec.Availability },
    Description: { Hostname, Platform, Runtime },
    Status: { State: Status.State, Addr: Status.Addr },
    ManagerStatus,
    Mesh,
  })
}

function reduceService(object: StoredObject): StoredObject {
  const { Spec, Endpoint, SpecVersion } = object.body as unknown as Service
  const labels = Object.entries(Spec.Labels ?? {}).filter(([name]) => name.startsWith('mesh.'))
  return withBody(object, {
    Spec: { Name: Spec.Name, Labels: Object.fromEntries(labels), Mode: Spec.Mode },
    Endpoint: { Ports: Endpoint.Ports },
    SpecVersion,
  })
}

/** Nothing of a task that has no node: nobody can send a connection to it. */
function reduceTask(object: StoredObject, worker: NodeId): StoredObject[] {
  const task = object.body as unknown as Task
  if (task.NodeID === undefined) return []
  if (task.NodeID === worker) return [object]
  const { ServiceID, Slot, NodeID, DesiredState, Generation } = task
  const Status = { State: task.Status.State }
  return [withBody(object, { ServiceID, Slot, NodeID, DesiredState, Generation, Status })]
}

const withBody = (object: StoredObject, body: object): StoredObject => ({
  ...object,
  body: body as Json,
})
