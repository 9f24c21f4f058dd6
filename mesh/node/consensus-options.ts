import type { Clock } from '../base/clock.ts'
import type { NodeId } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { MeshPolicy } from '../catalog/policy.ts'
import type { RaftId } from '../raft/types.ts'
import type { RaftStorage } from '../storage/raft-storage.ts'
import type { Transport } from '../transport/transport.ts'

export interface ConsensusOptions {
  readonly self: NodeId
  /** By which Raft knows this node; that of a node's first life when absent. */
  readonly raftId?: RaftId
  readonly policy: MeshPolicy
  /** Opened; closed by `stop`. */
  readonly storage: RaftStorage
  readonly transport: Transport
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Disk or state can be trusted no more: the process must end. Called once. */
  readonly fatal: (error: Error) => void
  /** What the log may take on the disk, beside snapshots; 64 MiB when absent. */
  readonly logBytesMax?: number
  /** 10,000 when absent. */
  readonly snapshotEveryEntries?: number
}
