import type { NodeId } from '../../mesh/base/ids.ts'
import type { CatalogReader } from '../../mesh/catalog/types.ts'
import type { Member } from '../../mesh/membership/types.ts'
import type { NodeRecord, TaskRecord } from './docker.ts'

/** What is said by the nodes themselves or found out about them; nothing of it went through Raft. */
export interface Observed {
  readonly members: ReadonlyMap<NodeId, Member>
  /** By task id; `node` is who says it. */
  readonly tasks: ReadonlyMap<string, { readonly node: NodeId; readonly record: TaskRecord }>
  readonly nodes: ReadonlyMap<NodeId, NodeRecord>
  /** Whether this node's ingress reaches that node's data path; absent when it never tried. */
  readonly dataPath: ReadonlyMap<NodeId, boolean>
}

/** Everything one node knows, at one moment: the input of every rule in `src/`. */
export interface ClusterView {
  readonly catalog: CatalogReader
  readonly observed: Observed
}
