import { randomBytes } from 'node:crypto'
import { MeshError } from '../base/mesh-error.ts'
import type { Change } from '../catalog/types.ts'
import { caDigest, parseJoinToken } from '../identity/join-token.ts'
import { standOnDoorstep } from '../transport/doorstep.ts'
import { parseHostPort } from '../transport/host-address.ts'
import { foundCluster } from './found-cluster.ts'
import { joinCluster, type JoinTarget } from './join-cluster.ts'
import type { MeshNodeDeps, MeshNodeOptions } from './mesh-node-options.ts'
import { clearRaftFiles, saveRaftLife } from './raft-files.ts'
import { raftIdOf } from './raft-id.ts'
import { loadNodeState, saveNodeState, type NodeState } from './node-state.ts'

export interface Entrance {
  readonly state: NodeState
  readonly how: 'resumed' | 'joined' | 'founded'
  /** Of a founder: the first transaction. */
  readonly founding: readonly Change[]
}

/** How a node starts: as what it was, as a member that joins, or as the first of a new cluster. */
export async function enterCluster(
  options: MeshNodeOptions,
  deps: MeshNodeDeps,
): Promise<Entrance> {
  const remembered = await loadNodeState(deps.disk)
  if (remembered !== null) return resume(remembered, options.join, deps)
  if (options.forceNewCluster === true) throw new MeshError({ code: 'recovery/no-state' })
  // Ports that another program holds are found here, before anything is founded or joined.
  const word = randomBytes(16).toString('hex')
  await using scope = new AsyncDisposableStack()
  scope.use(await standOnDoorstep({ ...portsOf(options), word }))
  if (options.join !== null) {
    const state = await joinCluster(options.join, { ...options.facts, word }, deps)
    await beginRaftLife(state, deps)
    await saveNodeState(deps.disk, state)
    return { state, how: 'joined', founding: [] }
  }
  // Kept only once its log is: a founder that crashes in between founds anew.
  const { state, changes } = await foundCluster(options, deps)
  return { state, how: 'founded', founding: changes }
}

/** Before the identity: a manager without a life in Raft, or without its log, has lost them. */
async function beginRaftLife({ identity }: NodeState, { disk }: MeshNodeDeps): Promise<void> {
  // Without an identity there was no member here: what log there is was never part of a cluster.
  await clearRaftFiles(disk)
  if (identity.role !== 'manager') return
  await saveRaftLife(disk, { raftId: raftIdOf(identity.nodeId), hasLog: false })
}

function portsOf({ listenHost, facts }: MeshNodeOptions) {
  const { controlAddress, gossipAddress, dataPathAddress } = facts
  const tcpPorts = [controlAddress, gossipAddress, dataPathAddress].map(portOf)
  return { host: listenHost, tcpPorts, udpPort: portOf(gossipAddress) }
}

const portOf = (address: string): number => parseHostPort(address)?.port ?? 0

/** `--join` may stay in the command line of a supervisor, as long as it means the same cluster. */
function resume(state: NodeState, join: JoinTarget | null, deps: MeshNodeDeps): Entrance {
  if (join === null) return { state, how: 'resumed', founding: [] }
  const token = parseJoinToken(join.token)
  if ('refused' in token) {
    throw new MeshError({ code: 'join/token-malformed', reason: token.refused })
  }
  const { caCertificatesPem, formerDigests = [] } = state.identity
  const digests = [...caCertificatesPem.map(caDigest), ...formerDigests]
  if (!digests.includes(token.caDigest)) {
    throw new MeshError({ code: 'join/member-elsewhere', node: state.identity.nodeId })
  }
  deps.log.info({}, 'already a member of this cluster: --join is not needed')
  return { state, how: 'resumed', founding: [] }
}
