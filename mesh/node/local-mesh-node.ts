import type { NodeId, NodeRole } from '../base/ids.ts'
import { drawId } from '../base/ids.ts'
import type { Json } from '../base/json.ts'
import type { ApplyResult, CatalogDelta, Change } from '../catalog/types.ts'
import type { DiscoveryRecord } from '../discovery/types.ts'
import type { NodeIdentity } from '../identity/node-identity.ts'
import type { Member } from '../membership/types.ts'
import type { Libp2pTransport } from '../transport/libp2p-transport.ts'
import type { SealedDatagrams } from '../transport/sealed-datagrams.ts'
import type { JoinReply, JoinRequest } from '../wire/join-message.ts'
import type { CatalogFeed } from './catalog-feed.ts'
import { admitNode } from './admit-node.ts'
import type { DiscoveryDriver } from './discovery-driver.ts'
import type { MembershipDriver } from './membership-driver.ts'
import type { LeaderView, MeshNode } from './mesh-node.ts'
import type { MeshNodeDeps } from './mesh-node-options.ts'
import { saveAcquaintance, type NodeState } from './node-state.ts'
import type { Roster } from './roster.ts'
import type { ServiceTable } from './service-table.ts'

/** The drivers of one node, started. */
export interface MeshParts {
  readonly state: NodeState
  readonly roster: Roster
  readonly transport: Libp2pTransport
  readonly datagrams: SealedDatagrams
  readonly membership: MembershipDriver
  readonly discovery: DiscoveryDriver
  readonly table: ServiceTable
  /** Of a manager: serves the workers. */
  readonly feed: CatalogFeed | null
}

/** MeshNode over the drivers: passes calls on, and keeps them agreed on who belongs to the cluster. */
export class LocalMeshNode implements MeshNode {
  readonly #parts: MeshParts
  readonly #deps: MeshNodeDeps
  readonly #unwatch: () => void
  #saving: Promise<void> = Promise.resolve()

  constructor(parts: MeshParts, deps: MeshNodeDeps) {
    this.#parts = parts
    this.#deps = deps
    parts.transport.onConnection((node, event) => parts.membership.connectionEvent(node, event))
    this.#followRoster()
    this.#unwatch = parts.table.watchCatalog(() => this.#catalogChanged())
  }

  get self(): NodeId {
    return this.#parts.state.identity.nodeId
  }

  get clusterId(): string {
    return this.#parts.state.identity.clusterId
  }

  get role(): NodeRole {
    return this.#parts.state.identity.role
  }

  get identity(): NodeIdentity {
    return this.#parts.state.identity
  }

  isMember(node: NodeId, peerId: string): boolean {
    return this.#parts.roster.isMember(node, peerId)
  }

  propose(changes: readonly Change[], request?: string): Promise<ApplyResult> {
    return this.#parts.table.propose({
      request: request ?? drawId(this.#deps.random),
      atMs: this.#deps.clock.nowMs(),
      changes,
    })
  }

  barrier(): Promise<void> {
    return this.#parts.table.barrier()
  }

  watchCatalog(listener: (delta: CatalogDelta) => void): () => void {
    return this.#parts.table.watchCatalog(listener)
  }

  leader(): LeaderView {
    return this.#parts.table.leader()
  }

  watchLeader(listener: (view: LeaderView) => void): () => void {
    return this.#parts.table.watchLeader(listener)
  }

  publish(key: string, value: Json): void {
    this.#parts.discovery.publish(key, value)
  }

  watchRecords(listener: (records: readonly DiscoveryRecord[]) => void): () => void {
    return this.#parts.discovery.watch(listener)
  }

  watchMembers(listener: (members: readonly Member[]) => void): () => void {
    return this.#parts.membership.watch(listener)
  }

  answerJoin(request: JoinRequest, remoteHost: string): Promise<JoinReply> {
    const { table } = this.#parts
    return admitNode(request, remoteHost, {
      ...this.#deps,
      catalog: () => table.catalog(),
      barrier: () => this.barrier(),
      propose: (changes) => this.propose(changes),
    })
  }

  handOver(): Promise<void> {
    return this.#parts.table.handOver()
  }

  async stop(): Promise<void> {
    this.#unwatch()
    await this.handOver()
    await this.#parts.membership.leave()
    this.#parts.membership.stop()
    this.#parts.discovery.stop()
    this.#parts.feed?.stop()
    await this.#parts.table.stop()
    await this.#parts.transport.stop()
    await this.#parts.datagrams.close()
    await this.#saving
  }

  #catalogChanged(): void {
    const { roster, table, membership, discovery, transport, state } = this.#parts
    const change = roster.update(table.catalog())
    if (change === null) return
    for (const node of change.removed) {
      membership.forget(node)
      discovery.forget(node)
    }
    this.#followRoster()
    transport.recheckPeers()
    const known = { gossipKeys: state.acquaintance.gossipKeys, members: change.members }
    // One after the other: the newest must be the last.
    this.#saving = this.#saving
      .then(() => saveAcquaintance(this.#deps.disk, known))
      .catch((error: unknown) => this.#deps.log.warn({ err: error }, 'members not saved'))
  }

  #followRoster(): void {
    const { roster, transport, membership } = this.#parts
    const others = roster.members.filter(({ node }) => node !== this.self)
    transport.setTargets(
      others.map(({ node, peerId, gossipAddress }) => ({ node, peerId, address: gossipAddress })),
    )
    membership.join(others.map(({ node, ...meta }) => ({ id: node, meta: metaOf(meta) })))
  }
}

const metaOf = (address: {
  readonly name: string
  readonly gossipAddress: string
  readonly controlAddress: string
  readonly dataPathAddress: string
}) => ({
  name: address.name,
  gossipAddress: address.gossipAddress,
  controlAddress: address.controlAddress,
  dataPathAddress: address.dataPathAddress,
})
