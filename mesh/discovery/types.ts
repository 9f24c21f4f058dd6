import type { Json } from '../base/json.ts'
import type { NodeId } from '../base/ids.ts'

/**
 * One fact that a node says about what it really runs. Single writer: only `node` makes records
 * under its id. `epoch` is the writer's start (ms since 1970), `version` counts within the epoch;
 * the higher (epoch, version) wins. A null value is a tombstone.
 */
export interface DiscoveryRecord {
  readonly node: NodeId
  readonly epoch: number
  readonly version: number
  readonly key: string
  readonly value: Json
}
