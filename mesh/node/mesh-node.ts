import type { Json } from '../base/json.ts'
import type { NodeId, NodeRole } from '../base/ids.ts'
import type { ApplyResult, CatalogDelta, Change } from '../catalog/types.ts'
import type { DiscoveryRecord } from '../discovery/types.ts'
import type { Member } from '../membership/types.ts'

export type { NodeRole } from '../base/ids.ts'

/** Which node leads, as this node knows it now. */
export interface LeaderView {
  /** Null when no leader is known. */
  readonly leader: NodeId | null
  readonly isSelf: boolean
  readonly term: number
}

/** Faults that `propose` and `barrier` reject with, as `MeshError`. */
export type ConsensusFault =
  /** No leader could be reached in time; nothing was written. */
  | { readonly code: 'raft/no-leader'; readonly unreachable: readonly string[] }
  /** The proposal was sent, its fate is unknown; retry with the same request id. */
  | { readonly code: 'raft/outcome-unknown'; readonly request: string }
  | { readonly code: 'raft/not-a-manager' }

/**
 * The face that `src/` sees of the mesh. Asynchronous, and passes only cloneable data, so that all
 * of `mesh/` can move into a thread of its own. Listeners are called in order and must not throw.
 */
export interface MeshNode {
  readonly self: NodeId
  readonly clusterId: string
  /** What this process does now; it follows the catalog, which says what the node may. */
  readonly role: NodeRole
  /** Whether what it knows of the cluster was heard in this life, and not only read from its disk. */
  readonly isCurrent: boolean

  /**
   * Proposes changes as one transaction, on any manager (a follower passes it to the leader once);
   * resolves when it is applied here or refused. `request` makes a retry safe; drawn when absent.
   */
  propose(changes: readonly Change[], request?: string): Promise<ApplyResult>
  /** Linearizable read: when it resolves, all listeners have seen every write acknowledged before the call. */
  barrier(): Promise<void>
  /**
   * The service table as deltas, first one a reset: on a manager the whole catalog, on a worker its
   * projection. Returns the function that ends it.
   */
  watchCatalog(listener: (delta: CatalogDelta) => void): () => void
  leader(): LeaderView
  watchLeader(listener: (view: LeaderView) => void): () => void

  /** Whether Raft counts that node; a demoted manager still is one until Raft has let it go. False on a worker. */
  isRaftMember(node: NodeId): boolean

  /** Says, replaces or (null) withdraws a fact about this node; spread within 100 ms. */
  publish(key: string, value: Json): void
  /** Records of all nodes, own included: first the ones known now, then changes in batches. */
  watchRecords(listener: (records: readonly DiscoveryRecord[]) => void): () => void

  /** Members as SWIM sees them, self included: first all, then the changed ones in batches. */
  watchMembers(listener: (members: readonly Member[]) => void): () => void

  /** Gives leadership away when this node has it; resolves when another leads or after 2 s. */
  handOver(): Promise<void>
  /** Says goodbye (`left`), closes everything. */
  stop(): Promise<void>
}
