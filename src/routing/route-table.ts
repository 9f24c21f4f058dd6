import type { NodeId } from '../../mesh/base/ids.ts'
import type { IngressOptions } from '../model/ingress-options.ts'

/** What the ingress of one node needs to know, derived and immutable; swapped whole. */
export interface RouteTable {
  /** Grows with every table that this daemon makes. */
  readonly version: number
  readonly self: NodeId
  readonly listeners: readonly Listener[]
  /** Other nodes, and where their data path listens. */
  readonly peers: readonly Peer[]
  /** Tasks that run on this node: what an OPEN from a peer may reach. */
  readonly localTasks: readonly LocalTask[]
}

export interface Listener {
  readonly protocol: 'tcp' | 'udp'
  readonly port: number
  readonly serviceId: string
  readonly serviceName: string
  readonly options: ListenerOptions
  readonly endpoints: readonly Endpoint[]
}

/** From the service's labels `mesh.ingress.<published>.<option>`. */
export type ListenerOptions = IngressOptions

/** A task that accepts connections. */
export interface Endpoint {
  readonly task: string
  readonly node: NodeId
  readonly generation: number
  readonly targetPort: number
  /** False while its node is suspect, or dead with a data path that still answers. */
  readonly preferred: boolean
}

export interface Peer {
  readonly node: NodeId
  /** `host:port` of its data path. */
  readonly address: string
  /** Membership calls it dead: one that does not answer either has lost its open connections. */
  readonly isDead?: boolean
}

export interface LocalTask {
  readonly task: string
  readonly generation: number
  /** No new connections; the open ones live on. */
  readonly draining: boolean
  /** Target port → `host:port`. */
  readonly targets: Readonly<Record<string, string>>
}
