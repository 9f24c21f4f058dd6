import type { Clock } from '../base/clock.ts'
import type { Disk } from '../base/disk.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { MeshPolicy } from '../catalog/policy.ts'
import type { JoinTarget } from './join-cluster.ts'
import type { NodeFacts } from './node-facts.ts'

export interface MeshNodeOptions {
  readonly facts: NodeFacts
  /** Address that every socket of the mesh listens on. */
  readonly listenHost: string
  readonly gossipPort: number
  /** Null founds a cluster; with state on the disk it only has to be the same cluster. */
  readonly join: JoinTarget | null
  /** A founder's cluster locks the keys of its managers from the first moment. */
  readonly autolock?: boolean
  /** What a manager's log may take on the disk, beside its two snapshots; 64 MiB when absent. */
  readonly logBytesMax?: number
  /** The other managers are lost for good: this one goes on without them. For one start only. */
  readonly forceNewCluster?: boolean
}

export interface MeshNodeDeps {
  /** This node's data directory. */
  readonly disk: Disk
  readonly policy: MeshPolicy
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Worst lateness of the event loop since the last call. */
  readonly eventLoopDelayMs: () => number
  /** Disk or state can be trusted no more: the process must end. */
  readonly fatal: (error: Error) => void
}
