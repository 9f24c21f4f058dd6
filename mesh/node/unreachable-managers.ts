import type { NodeId } from '../base/ids.ts'
import type { MeshPolicy } from '../catalog/policy.ts'
import type { CatalogReader } from '../catalog/types.ts'
import type { Transport } from '../transport/transport.ts'

export interface Surroundings {
  readonly self: NodeId
  readonly policy: MeshPolicy
  readonly transport: Transport
}

/** Names of the managers that this node has no connection to: what an operator looks at first. */
export function unreachableManagers(around: Surroundings, catalog: CatalogReader): string[] {
  const connected = new Set(around.transport.connected())
  return around.policy
    .members(catalog)
    .filter(({ role, node }) => role === 'manager' && node !== around.self && !connected.has(node))
    .map(({ name }) => name)
}
