import type { NodeId, NodeRole } from '../base/ids.ts'
import type { CatalogDelta } from '../catalog/types.ts'
import type { RaftId } from '../raft/types.ts'
import { CatalogFeed } from './catalog-feed.ts'
import { Consensus } from './consensus.ts'
import type { MeshNodeDeps } from './mesh-node-options.ts'
import { openRaftLog, type RaftLife } from './raft-files.ts'
import type { RoleTransport } from './role-transport.ts'
import type { Roster } from './roster.ts'
import { segmentBytesOf } from './snapshot-taker.ts'
import type { ServiceTable } from './service-table.ts'
import { WorkerTable } from './worker-table.ts'

/** What a node runs because of its role. */
export interface RolePart {
  readonly role: NodeRole
  readonly table: ServiceTable
  /** Zero for a worker. */
  readonly raftId: RaftId
  /** Whether the rest of the cluster can be heard through it: a leader, or a feed. */
  isInTouch(): boolean
  /** Whether the table is of this life: one from the disk may be long out of date. */
  isCurrent(): boolean
  isRaftMember(node: NodeId): boolean
  stop(): Promise<void>
}

export interface RolePartDeps extends MeshNodeDeps {
  readonly self: NodeId
  readonly logBytesMax?: number
  readonly transport: RoleTransport
  readonly roster: Roster
}

/** `saved` is what the node knew in its former role or life. */
export function openWorkerPart(deps: RolePartDeps, saved: CatalogDelta | null): RolePart {
  const table = new WorkerTable(deps, saved)
  return {
    role: 'worker',
    table,
    raftId: 0,
    isInTouch: () => table.isFed,
    isCurrent: () => table.isCurrent,
    isRaftMember: () => false,
    stop: () => table.stop(),
  }
}

export async function openManagerPart(deps: RolePartDeps, life: RaftLife): Promise<RolePart> {
  const { raftId } = life
  const log = deps.log.child('raft')
  const storage = await openRaftLog(life, {
    disk: deps.disk,
    log,
    segmentBytes: segmentBytesOf(deps.logBytesMax),
  })
  const table = new Consensus({ ...deps, raftId, storage, log })
  const feed = new CatalogFeed({
    ...deps,
    catalog: () => table.catalog(),
    watchCatalog: (listener) => table.watchCatalog(listener),
    isCurrent: () => table.leader().leader !== null,
  })
  return {
    role: 'manager',
    table,
    raftId,
    isInTouch: () => table.isInTouch(),
    isCurrent: () => table.isInTouch(),
    isRaftMember: (node) => table.isRaftMember(node),
    stop: async () => {
      feed.stop()
      await table.stop()
      deps.transport.forgetListeners()
    },
  }
}
