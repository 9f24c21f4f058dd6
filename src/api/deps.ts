import type { Agent } from 'node:http'
import type { Clock } from '../../mesh/base/clock.ts'
import type { NodeId } from '../../mesh/base/ids.ts'
import type { Log } from '../../mesh/base/log.ts'
import type { Random } from '../../mesh/base/random.ts'
import type { MeshNode } from '../../mesh/node/mesh-node.ts'
import type { CatalogReader } from '../../mesh/catalog/types.ts'
import type { NextRoot } from '../model/authority-rotation.ts'
import type { ClusterView } from '../model/observed.ts'
import type { EventLog } from './event-log.ts'
import type { Metric } from './exposition.ts'
import type { IngressPort } from './ingress-report.ts'
import type { LogLine, LogQuery } from '../model/log-line.ts'

/** What the API needs of the daemon it speaks for. */
export interface ApiDeps {
  readonly node: Pick<
    MeshNode,
    | 'self'
    | 'clusterId'
    | 'role'
    | 'propose'
    | 'barrier'
    | 'leader'
    | 'watchCatalog'
    | 'isRaftMember'
  >
  readonly view: () => ClusterView
  /** Calls `listener` after each change of the view; returns the function that ends it. */
  readonly watchView: (listener: () => void) => () => void
  readonly events: EventLog
  /** This node's own container engine; the socket is null when its runtime is `process`. */
  readonly engine: { readonly runtime: 'docker' | 'process'; readonly socketPath: string | null }
  /** What a task of this node printed, as its engine has it. */
  readonly taskLogs: (task: string, query: LogQuery, signal: AbortSignal) => AsyncIterable<LogLine>
  readonly version: string
  /** How late this process was at its worst lately. */
  readonly eventLoopDelayMs: () => number
  /** What the ingress of this node has counted. */
  readonly ingressMetrics: () => readonly Metric[]
  /** The published ports of this node; null while its ingress does not run. */
  readonly ingressPorts: () => readonly IngressPort[] | null
  /** Where other machines reach this node. */
  readonly advertiseAddress: string
  readonly dataPathPort: number
  /** How to reach another node's API over mutual TLS; the agent keeps its connections. */
  readonly dialApi: (node: NodeId) => ApiRoute
  /** The same for streams, which keep their connections to themselves. */
  readonly dialLogs: (node: NodeId) => ApiRoute
  /** Ends this node's membership: its daemon stops all tasks, forgets the cluster and ends. */
  readonly leave: () => void
  /** A new key for the lock of managers' keys. */
  readonly drawUnlockKey: () => string
  readonly joinToken: (caCertificatePem: string, secret: string) => string
  /** The authority that takes over from the present one: the given one, or a new one. */
  readonly nextRoot: (
    given: { readonly certificatesPem: string; readonly keyPem: string } | null,
    catalog: CatalogReader,
    drawn: { readonly id: string; readonly nowMs: number },
  ) => NextRoot | { readonly refused: string }
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

export interface ApiRoute {
  /** `https://host:port`. */
  readonly target: string
  readonly agent: Agent
}

/**
 * Who is asking: somebody who may open the local socket, another node by its certificate, or, where
 * metrics are served to whoever comes, whoever.
 */
export type Caller =
  | { readonly kind: 'local' }
  | { readonly kind: 'peer'; readonly node: NodeId }
  | { readonly kind: 'scraper' }
