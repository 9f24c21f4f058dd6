import type { Disk } from '../base/disk.ts'
import { drawId } from '../base/ids.ts'
import type { MemberMeta } from '../membership/types.ts'
import { RaftStorage } from '../storage/raft-storage.ts'
import { Libp2pTransport } from '../transport/libp2p-transport.ts'
import { SealedDatagrams } from '../transport/sealed-datagrams.ts'
import { recordsTopic } from '../wire/discovery-message.ts'
import { Consensus } from './consensus.ts'
import { DiscoveryDriver } from './discovery-driver.ts'
import { enterCluster, type Entrance } from './enter-cluster.ts'
import { foundLog } from './found-log.ts'
import { CatalogFeed } from './catalog-feed.ts'
import { LocalMeshNode, type MeshParts } from './local-mesh-node.ts'
import { MembershipDriver } from './membership-driver.ts'
import type { MeshNodeDeps, MeshNodeOptions } from './mesh-node-options.ts'
import { saveNodeState } from './node-state.ts'
import { Roster } from './roster.ts'
import { WorkerTable } from './worker-table.ts'

/**
 * A member of a cluster, running: resumes, joins or founds, then starts one driver per pure machine.
 * Rejects with `join/…`, `storage/…` and `transport/cannot-listen`.
 */
export async function startMeshNode(
  options: MeshNodeOptions,
  deps: MeshNodeDeps,
): Promise<{ readonly node: LocalMeshNode; readonly how: Entrance['how'] }> {
  const entrance = await enterCluster(options, deps)
  const { state, how } = entrance
  const { identity, acquaintance } = state
  const self = identity.nodeId
  const roster = new Roster(deps.policy, acquaintance.members)
  const listen = { host: options.listenHost, port: options.gossipPort }
  const transport = await Libp2pTransport.create(
    {
      identity,
      listen,
      topics: [recordsTopic],
      isMember: (node, peerId) => roster.isMember(node, peerId),
    },
    { ...deps, log: deps.log.child('transport') },
  )
  const keys = acquaintance.gossipKeys.map((key) => Buffer.from(key, 'base64'))
  const datagrams = await SealedDatagrams.open({ listen, keys }, { log: deps.log.child('swim') })
  const { table, feed } = await openTable(entrance, { transport, roster }, deps)
  const discovery = new DiscoveryDriver(
    { transport, ...deps, isMember: (node) => roster.has(node) },
    { self, epoch: deps.clock.nowMs() },
  )
  const meta = metaOf(options)
  const membership = new MembershipDriver({ datagrams, ...deps }, { self, meta })
  const parts = { state, roster, transport, datagrams, membership, discovery, table, feed }
  const node = new LocalMeshNode(parts, deps)
  await transport.start()
  return { node, how }
}

const metaOf = ({ facts }: MeshNodeOptions): MemberMeta => ({
  name: facts.name,
  gossipAddress: facts.gossipAddress,
  controlAddress: facts.controlAddress,
  dataPathAddress: facts.dataPathAddress,
})

interface Surroundings {
  readonly transport: Libp2pTransport
  readonly roster: Roster
}

async function openTable(
  entrance: Entrance,
  around: Surroundings,
  deps: MeshNodeDeps,
): Promise<Pick<MeshParts, 'table' | 'feed'>> {
  const { nodeId: self, role } = entrance.state.identity
  const { transport } = around
  if (role === 'worker') return { table: new WorkerTable({ ...around, ...deps }), feed: null }
  const log = deps.log.child('raft')
  const storage = await openLog(entrance, deps)
  const consensus = new Consensus({ ...deps, self, storage, transport, log })
  const feed = new CatalogFeed({
    transport,
    ...deps,
    catalog: () => consensus.catalog(),
    watchCatalog: (listener) => consensus.watchCatalog(listener),
    isCurrent: () => consensus.leader().leader !== null,
  })
  return { table: consensus, feed }
}

async function openLog(entrance: Entrance, deps: MeshNodeDeps): Promise<RaftStorage> {
  const { state, how, founding } = entrance
  // Without an identity there was no member here: what log there is was never part of a cluster.
  if (how !== 'resumed') await clearLog(deps.disk)
  const storage = await RaftStorage.open({ disk: deps.disk, log: deps.log.child('raft') })
  if (how === 'founded') {
    const transaction = {
      request: drawId(deps.random),
      atMs: deps.clock.nowMs(),
      changes: founding,
    }
    await foundLog(storage, state.identity.nodeId, transaction)
    await saveNodeState(deps.disk, state)
  }
  return storage
}

async function clearLog(disk: Disk): Promise<void> {
  for (const directory of ['raft/wal', 'raft/snapshots']) {
    for (const name of await disk.list(directory)) await disk.remove(`${directory}/${name}`)
  }
}
