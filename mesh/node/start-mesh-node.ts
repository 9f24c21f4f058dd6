import { drawId } from '../base/ids.ts'
import type { MemberMeta } from '../membership/types.ts'
import { Libp2pTransport } from '../transport/libp2p-transport.ts'
import { SealedDatagrams } from '../transport/sealed-datagrams.ts'
import { recordsTopic } from '../wire/discovery-message.ts'
import { DiscoveryDriver } from './discovery-driver.ts'
import { enterCluster, type Entrance } from './enter-cluster.ts'
import { foundLog } from './found-log.ts'
import { LocalMeshNode } from './local-mesh-node.ts'
import { MembershipDriver } from './membership-driver.ts'
import type { MeshNodeDeps, MeshNodeOptions } from './mesh-node-options.ts'
import { saveNodeState } from './node-state.ts'
import { raftIdOf } from './raft-id.ts'
import { clearRaftFiles, openRaftLog } from './raft-files.ts'
import { RoleTransport } from './role-transport.ts'
import { Roster } from './roster.ts'
import { surviveAlone } from './survive-alone.ts'
import { Standing } from './standing.ts'
import { Twins } from './twins.ts'

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
  const meta = metaOf(options)
  const membership = new MembershipDriver({ datagrams, transport, ...deps }, { self, meta })
  const twins = new Twins({
    ...deps,
    self,
    address: meta.gossipAddress,
    knownAddress: () => roster.members.find(({ node }) => node === self)?.gossipAddress,
  })
  await twins.refuse(membership).catch(async (error: unknown) => {
    membership.stop()
    await datagrams.close()
    throw error
  })
  membership.onTwin((at) => twins.found(at))
  const { logBytesMax } = options
  const around = {
    transport: new RoleTransport(transport),
    roster,
    ...(logBytesMax !== undefined && { logBytesMax }),
  }
  await prepareLog(entrance, deps)
  if (options.forceNewCluster === true && how === 'resumed') await surviveAlone(identity, deps)
  const standing = await Standing.open({ ...deps, ...around, self }, identity)
  standing.onIdentity((renewed) => transport.useIdentity(renewed))
  const discovery = new DiscoveryDriver(
    { transport, ...deps, isMember: (node) => roster.has(node) },
    { self, epoch: deps.clock.nowMs() },
  )
  const parts = { acquaintance, roster, transport, datagrams, membership, discovery, standing }
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

/** A founder has its log before it has its identity: crashed in between, it founds anew. */
async function prepareLog(entrance: Entrance, deps: MeshNodeDeps): Promise<void> {
  const { state, how, founding } = entrance
  if (how !== 'founded') return
  await clearRaftFiles(deps.disk)
  const life = { raftId: raftIdOf(state.identity.nodeId), hasLog: false }
  const storage = await openRaftLog(life, { disk: deps.disk, log: deps.log.child('raft') })
  const transaction = {
    request: drawId(deps.random),
    atMs: deps.clock.nowMs(),
    changes: founding,
  }
  await foundLog(storage, state.identity.nodeId, transaction)
  await storage.close()
  await saveNodeState(deps.disk, state)
}
