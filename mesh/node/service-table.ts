import type { ApplyResult, CatalogDelta, CatalogReader, Transaction } from '../catalog/types.ts'
import type { LeaderView } from './mesh-node.ts'

/** Where a node's service table comes from: its part in the agreement, or a manager's feed. */
export interface ServiceTable {
  catalog(): CatalogReader
  /** First a reset with everything, then deltas. */
  watchCatalog(listener: (delta: CatalogDelta) => void): () => void
  propose(transaction: Transaction): Promise<ApplyResult>
  barrier(): Promise<void>
  leader(): LeaderView
  watchLeader(listener: (view: LeaderView) => void): () => void
  handOver(): Promise<void>
  stop(): Promise<void>
}
