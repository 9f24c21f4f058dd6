import type { NodeId } from '../../mesh/base/ids.ts'
import { nodeId } from '../../mesh/base/ids.ts'
import type { Json, JsonObject } from '../../mesh/base/json.ts'
import type { CatalogReader, Change, StoredObject } from '../../mesh/catalog/types.ts'
import type {
  ClusterAuthority,
  MemberAddress,
  MeshPolicy,
  Newcomer,
} from '../../mesh/catalog/policy.ts'
import { withUnlockKey } from './autolock.ts'
import { authorityTrust, presentAuthority, rotationDue } from './authority-rotation.ts'
import { clusterClaims, nodeClaims } from './claims.ts'
import type { Cluster, Node, NodeDescription } from './docker.ts'
import { beginKeyChange, gossipKeys, isKeyWorn, keyChangeDue } from './gossip-key-ring.ts'
import { hostOf } from './host-port.ts'
import { nodeById, nodeView, type NodeView } from './node-view.ts'
import { project } from './projection.ts'
import { remembered } from './remembered.ts'
import { rfc3339 } from './rfc3339.ts'

/** What the objects of the catalog mean for the mesh: who is in, what it may do, where it is. */
export const meshPolicy: MeshPolicy = {
  roleOf: (catalog, node) => nodeById(catalog, node)?.role ?? null,
  members: (catalog) => membersAmong(catalog.list('node')),
  authority: presentAuthority,
  authorityTrust,
  rotationDue,
  found: (given, founder, atMs) => [
    createChange('cluster', given.clusterId, clusterClaims, newCluster(given, atMs)),
    ...admit(founder),
  ],
  admit,
  survive,
  gossipKeys,
  beginKeyChange,
  keyChangeDue,
  isKeyWorn,
  project: (catalog: CatalogReader, worker: NodeId) => project(catalog, worker),
}

/** As Docker fills them in; the Raft ticks are ours (100 ms each). */
const defaultClusterSpec: JsonObject = {
  Name: 'default',
  Labels: {},
  Orchestration: { TaskHistoryRetentionLimit: 5 },
  Raft: {
    SnapshotInterval: 10_000,
    KeepOldSnapshots: 0,
    LogEntriesForSlowFollowers: 500,
    ElectionTick: 5,
    HeartbeatTick: 1,
  },
  Dispatcher: { HeartbeatPeriod: 5e9 },
  CAConfig: { NodeCertExpiry: 90 * 24 * 3600 * 1e9 },
  TaskDefaults: {},
  EncryptionConfig: { AutoLockManagers: false },
}

function newCluster(given: ClusterAuthority, atMs: number): Cluster {
  const cluster: Cluster = {
    Spec: defaultClusterSpec,
    CreatedAt: rfc3339(atMs),
    Secrets: {
      CaKeyPem: given.caKeyPem,
      JoinSecrets: { Manager: given.joinSecrets.manager, Worker: given.joinSecrets.worker },
      GossipKeys: given.gossipKeys,
      GossipKeysAtMs: atMs,
    },
    CaCertificatePem: given.caCertificatePem,
  }
  return given.unlockKey === undefined ? cluster : withUnlockKey(cluster, given.unlockKey)
}

function admit(newcomer: Newcomer): Change[] {
  const node = newNode(newcomer)
  return [createChange('node', newcomer.node, nodeClaims(node), node)]
}

/** The other managers are demoted, as what they agreed on without the survivor is lost. */
function survive(
  catalog: CatalogReader,
  { node: survivor, raftId }: { readonly node: NodeId; readonly raftId: number },
): Change[] {
  return catalog.list('node').flatMap((object): Change[] => {
    const node = object.body as unknown as Node
    const body = object.id === survivor ? asSurvivor(node, raftId) : asLost(node)
    if (body === null) return []
    const { kind, id } = object
    const changed = { kind, id, claims: nodeClaims(body), body: body as unknown as Json }
    return [{ kind: 'update', object: changed, ifVersion: null }]
  })
}

const asSurvivor = (node: Node, raftId: number): Node => ({
  ...node,
  Spec: { ...node.Spec, Role: 'manager' },
  Mesh: { ...node.Mesh, RaftId: raftId },
})

/** Null for a worker, of which nothing was lost. */
function asLost(node: Node): Node | null {
  if (node.Spec.Role !== 'manager') return null
  const { ManagerStatus: _, ...others } = node
  const Message = 'demoted when the cluster was recovered without it'
  return {
    ...others,
    Spec: { ...node.Spec, Role: 'worker' },
    Status: { ...node.Status, State: 'down', Message },
  }
}

/** Its state is unknown until the leader sees it among the members. */
function newNode(newcomer: Newcomer): Node {
  const description = newcomer.description as unknown as NodeDescription
  const hasOwnName = newcomer.name !== '' && newcomer.name !== description.Hostname
  return {
    Spec: {
      ...(hasOwnName && { Name: newcomer.name }),
      Labels: {},
      Role: newcomer.role,
      Availability: newcomer.availability,
    },
    Description: description,
    Status: { State: 'unknown', Addr: hostOf(newcomer.controlAddress) },
    ...(newcomer.role === 'manager' && { ManagerStatus: { Addr: newcomer.controlAddress } }),
    Mesh: {
      PeerId: newcomer.peerId,
      RaftId: newcomer.raftId,
      KeyDigest: newcomer.keyDigest,
      GossipAddress: newcomer.gossipAddress,
      ControlAddress: newcomer.controlAddress,
      DataPathAddress: newcomer.dataPathAddress,
    },
  }
}

/** Asked for with every change of the catalog, of which hardly any is one of the nodes. */
const membersAmong = remembered((nodes: readonly StoredObject[]): readonly MemberAddress[] =>
  nodes.map((node) => memberAddress(nodeView(node))),
)

function memberAddress(node: NodeView): MemberAddress {
  return {
    node: nodeId(node.id),
    name: node.name,
    role: node.role,
    peerId: node.mesh.PeerId,
    gossipAddress: node.mesh.GossipAddress,
    controlAddress: node.mesh.ControlAddress,
    dataPathAddress: node.mesh.DataPathAddress,
    raftId: node.mesh.RaftId,
  }
}

function createChange(
  kind: string,
  id: string,
  claims: readonly string[],
  body: Cluster | Node,
): Change {
  return { kind: 'create', object: { kind, id, claims, body: body as unknown as Json } }
}
