import type { NodeId } from '../../mesh/base/ids.ts'
import type { RouteTable } from '../routing/route-table.ts'
import type { AccessBatch } from './http/access-log.ts'
import type { Place } from './place.ts'
import type { IngressCounts } from '../wire/ingress-counts.ts'
import type { Facts, TunnelIdentity } from '../wire/ingress-message.ts'

/** What the main thread says to a worker. */
export type ToWorker =
  | { readonly kind: 'identity'; readonly identity: TunnelIdentity }
  | { readonly kind: 'routes'; readonly table: RouteTable }
  /** Where published ports are free to listen on, and whether the data path's is. */
  | { readonly kind: 'ports'; readonly places: readonly Place[]; readonly dataPath: boolean }
  | { readonly kind: 'drain'; readonly task: string }
  /** Accept nothing more; say `finished` once the last connection is gone. */
  | { readonly kind: 'finish' }
  /** The last batch of the access log is written. */
  | { readonly kind: 'access-taken' }

export type FromWorker =
  | { readonly kind: 'applied'; readonly version: number }
  | { readonly kind: 'listen-failed'; readonly place: Place; readonly code: string }
  | { readonly kind: 'peer-status'; readonly node: NodeId; readonly answers: boolean }
  | { readonly kind: 'open-connections'; readonly task: string; readonly open: number }
  /** All of this worker: bounds are for the sum of them. */
  | { readonly kind: 'counters'; readonly counts: IngressCounts }
  | { readonly kind: 'access'; readonly batch: AccessBatch }
  | { readonly kind: 'warning'; readonly message: string; readonly facts: Facts }
  | { readonly kind: 'finished' }

/** What a worker is told when it starts. */
export interface PlaneOptions {
  readonly listenAddress: string
  readonly dataPathPort: number
  /** Whether other workers listen on the same ports. */
  readonly isShared: boolean
}

/** What a worker counts clients in; see `Census`. */
export interface CensusShare {
  readonly memories: readonly SharedArrayBuffer[]
  readonly own: number
  readonly seed: number
}

export interface WorkerData {
  readonly options: PlaneOptions
  readonly census: CensusShare
}
