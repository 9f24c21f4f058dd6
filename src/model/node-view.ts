import { assert } from '../../mesh/base/assert.ts'
import { type NodeId, nodeId } from '../../mesh/base/ids.ts'
import type { CatalogReader, StoredObject } from '../../mesh/catalog/types.ts'
import type { Node } from './docker.ts'
import { remembered } from './remembered.ts'
import type { Platform, Quantities } from './task-spec-view.ts'

export interface NodeView {
  readonly id: NodeId
  readonly version: number
  readonly createdAtMs: number
  readonly updatedAtMs: number
  /** The name given by an operator, else the host's. */
  readonly name: string
  readonly hostname: string
  readonly role: 'manager' | 'worker'
  readonly availability: 'active' | 'pause' | 'drain'
  readonly labels: Readonly<Record<string, string>>
  readonly engineLabels: Readonly<Record<string, string>>
  readonly engineVersion: string
  readonly platform: Platform
  readonly resources: Quantities
  readonly runtime: 'docker' | 'process'
  readonly state: Node['Status']['State']
  readonly message: string
  /** The address of the host, without a port. */
  readonly address: string
  /** `host:port` where it answers joins and the API. */
  readonly apiAddress: string
  readonly mesh: Node['Mesh']
  readonly body: Node
}

/** Also of a node that a projection reduced. */
export const nodeView: (object: StoredObject) => NodeView = remembered(readNode)

function readNode(object: StoredObject): NodeView {
  assert(object.kind === 'node', 'a node view needs a node')
  const body = object.body as unknown as Node
  const { Spec: spec, Description: description, Status: status } = body
  return {
    id: nodeId(object.id),
    version: object.version,
    createdAtMs: object.createdAtMs,
    updatedAtMs: object.updatedAtMs,
    name: spec.Name || description.Hostname,
    hostname: description.Hostname,
    role: spec.Role,
    availability: spec.Availability,
    labels: spec.Labels ?? {},
    engineLabels: description.Engine?.Labels ?? {},
    engineVersion: description.Engine?.EngineVersion ?? '',
    platform: { os: description.Platform.OS, architecture: description.Platform.Architecture },
    resources: {
      nanoCpus: description.Resources?.NanoCPUs ?? 0,
      memoryBytes: description.Resources?.MemoryBytes ?? 0,
    },
    runtime: description.Runtime,
    state: status.State,
    message: status.Message ?? '',
    address: status.Addr,
    apiAddress: body.Mesh.ControlAddress,
    mesh: body.Mesh,
    body,
  }
}

export const nodesOf = (catalog: CatalogReader): NodeView[] => catalog.list('node').map(nodeView)

export function nodeById(catalog: CatalogReader, id: string): NodeView | undefined {
  const object = catalog.get('node', id)
  return object && nodeView(object)
}
