import { randomBytes } from 'node:crypto'
import type { NodeId, NodeRole } from '../base/ids.ts'
import { drawId } from '../base/ids.ts'
import type { Json } from '../base/json.ts'
import type { ApplyResult, CatalogDelta, Change } from '../catalog/types.ts'
import type { DiscoveryRecord } from '../discovery/types.ts'
import type { NodeIdentity } from '../identity/node-identity.ts'
import type { Member } from '../membership/types.ts'
import type { Libp2pTransport } from '../transport/libp2p-transport.ts'
import type { DatagramCounters, SealedDatagrams } from '../transport/sealed-datagrams.ts'
import type { JoinReply, JoinRequest } from '../wire/join-message.ts'
import type { RenewalReply, RenewalRequest } from '../wire/renewal-message.ts'
import { admitNode } from './admit-node.ts'
import { answerRenewal } from './answer-renewal.ts'
import { AuthorityWatch } from './authority-watch.ts'
import type { CurrentTable } from './current-table.ts'
import type { DiscoveryDriver } from './discovery-driver.ts'
import type { MembershipDriver } from './membership-driver.ts'
import type { LeaderView, MeshNode } from './mesh-node.ts'
import type { MeshNodeDeps } from './mesh-node-options.ts'
import { saveAcquaintance, type Acquaintance } from './node-state.ts'
import { openRenewals } from './open-renewals.ts'
import type { Renewals } from './renewals.ts'
import type { Roster } from './roster.ts'
import type { Standing } from './standing.ts'

const keyCheckMs = 1000

/** The drivers of one node, started. */
export interface MeshParts {
  readonly acquaintance: Acquaintance
  readonly roster: Roster
  readonly transport: Libp2pTransport
  readonly datagrams: SealedDatagrams
  readonly membership: MembershipDriver
  readonly discovery: DiscoveryDriver
  readonly standing: Standing
}

/** MeshNode over the drivers: passes calls on, and keeps them agreed on who belongs to the cluster. */
export class LocalMeshNode implements MeshNode {
  readonly #parts: MeshParts
  readonly #deps: MeshNodeDeps
  readonly #renewals: Renewals
  readonly #authority: AuthorityWatch
  readonly #unwatch: () => void
  readonly #removal = Promise.withResolvers<void>()
  #saving: Promise<void> = Promise.resolve()
  #gossipKeys: readonly string[]
  #isTurningKeys = false

  constructor(parts: MeshParts, deps: MeshNodeDeps) {
    this.#parts = parts
    this.#deps = deps
    this.#gossipKeys = parts.acquaintance.gossipKeys
    parts.transport.onConnection((node, event) => parts.membership.connectionEvent(node, event))
    this.#followRoster()
    this.#renewals = openRenewals({
      ...parts,
      ...deps,
      answer: (request) => this.answerRenewal(request),
      removed: () => this.#removed(),
    })
    this.#authority = new AuthorityWatch({
      ...parts,
      ...deps,
      log: deps.log.child('authority'),
      propose: (changes) => this.propose(changes),
    })
    const { table } = parts.standing
    const ends = [
      deps.clock.every(keyCheckMs, () => this.#goOnWithKeyChange()),
      table.watchCatalog(() => this.#catalogChanged()),
      table.watchLeader(() => this.#followLeader()),
    ]
    this.#unwatch = () => {
      for (const end of ends) end()
    }
  }

  get self(): NodeId {
    return this.identity.nodeId
  }

  get clusterId(): string {
    return this.identity.clusterId
  }

  get role(): NodeRole {
    return this.#parts.standing.role
  }

  get isCurrent(): boolean {
    return this.#parts.standing.isCurrent
  }

  get identity(): NodeIdentity {
    return this.#parts.standing.identity
  }

  /** Resolves when the cluster says that this node was removed from it. */
  get removed(): Promise<void> {
    return this.#removal.promise
  }

  /** Called with each renewed identity. */
  onIdentity(listener: (identity: NodeIdentity) => void): void {
    this.#parts.standing.onIdentity(listener)
  }

  isMember(node: NodeId, peerId: string): boolean {
    return this.#parts.roster.isMember(node, peerId)
  }

  propose(changes: readonly Change[], request?: string): Promise<ApplyResult> {
    return this.#table.propose({
      request: request ?? drawId(this.#deps.random),
      atMs: this.#deps.clock.nowMs(),
      changes,
    })
  }

  barrier(): Promise<void> {
    return this.#table.barrier()
  }

  watchCatalog(listener: (delta: CatalogDelta) => void): () => void {
    return this.#table.watchCatalog(listener)
  }

  leader(): LeaderView {
    return this.#table.leader()
  }

  watchLeader(listener: (view: LeaderView) => void): () => void {
    return this.#table.watchLeader(listener)
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

  /** Replaces the key of the gossip, step by step and without a pause; resolves when it has begun. */
  changeGossipKey(): Promise<ApplyResult> {
    const { policy, clock } = this.#deps
    const key = randomBytes(32).toString('base64')
    return this.propose(policy.beginKeyChange(this.#table.catalog(), key, clock.nowMs()))
  }

  /** Packets of the gossip, sealed and opened since the start. */
  get packets(): DatagramCounters {
    return this.#parts.datagrams.counters
  }

  answerJoin(request: JoinRequest, remoteHost: string): Promise<JoinReply> {
    return admitNode(request, remoteHost, {
      ...this.#deps,
      catalog: () => this.#table.catalog(),
      barrier: () => this.barrier(),
      propose: (changes) => this.propose(changes),
      selfName: () => this.#nameOf(this.self),
    })
  }

  answerRenewal(request: RenewalRequest): Promise<RenewalReply> {
    return answerRenewal(request, {
      ...this.#deps,
      self: this.self,
      catalog: () => this.#table.catalog(),
      barrier: () => this.barrier(),
      isRaftMember: (node) => this.isRaftMember(node),
    })
  }

  isRaftMember(node: NodeId): boolean {
    return this.#parts.standing.isRaftMember(node)
  }

  handOver(): Promise<void> {
    return this.#table.handOver()
  }

  async stop(): Promise<void> {
    this.#unwatch()
    this.#renewals.stop()
    this.#authority.stop()
    await this.handOver()
    await this.#parts.membership.leave()
    this.#parts.membership.stop()
    this.#parts.discovery.stop()
    await this.#parts.standing.stop()
    await this.#parts.transport.stop()
    await this.#parts.datagrams.close()
    await this.#saving
  }

  get #table(): CurrentTable {
    return this.#parts.standing.table
  }

  #removed(): void {
    this.#deps.log.error({}, 'this node was removed from its cluster')
    this.#removal.resolve()
  }

  #nameOf(id: NodeId): string {
    return this.#parts.roster.members.find(({ node }) => node === id)?.name ?? id
  }

  /** A worker is fed by managers that it knows: once one has spoken, it needs no word from the leader. */
  #followLeader(): void {
    const { roster, transport } = this.#parts
    const fed = this.isCurrent ? this.self : null
    const leader = this.role === 'worker' ? fed : this.#table.leader().leader
    if (roster.followLeader(leader)) transport.recheckPeers()
  }

  #catalogChanged(): void {
    const { roster, membership, discovery, transport } = this.#parts
    const change = roster.update(this.#table.catalog())
    this.#followLeader()
    const hasNewKeys = this.#takeKeys()
    if (hasNewKeys || change !== null) this.#remember()
    if (change === null) return
    for (const node of change.removed) {
      membership.forget(node)
      discovery.forget(node)
    }
    this.#followRoster()
    transport.recheckPeers()
  }

  #remember(): void {
    const known = { gossipKeys: this.#gossipKeys, members: this.#parts.roster.members }
    // One after the other: the newest must be the last.
    this.#saving = this.#saving
      .then(() => saveAcquaintance(this.#deps.disk, known))
      .catch((error: unknown) => this.#deps.log.warn({ err: error }, 'members not saved'))
  }

  /** Counting goes on, and what was sealed before still opens while the old key is in the ring. */
  #takeKeys(): boolean {
    const keys = this.#deps.policy.gossipKeys(this.#table.catalog())
    if (keys === null || keys.join() === this.#gossipKeys.join()) return false
    this.#gossipKeys = keys
    this.#parts.datagrams.useKeys(keys.map((key) => Buffer.from(key, 'base64')))
    this.#deps.log.info({ keys: keys.length }, 'the keys of the gossip changed')
    return true
  }

  /** The catalog holds how far it has got, so the next leader goes on with it. */
  #goOnWithKeyChange(): void {
    if (!this.#table.leader().isSelf || this.#isTurningKeys) return
    const { policy, clock, log } = this.#deps
    const catalog = this.#table.catalog()
    const changes = policy.keyChangeDue(catalog, clock.nowMs())
    const isWorn = policy.isKeyWorn(catalog, clock.nowMs())
    if (changes.length === 0 && !isWorn) return
    this.#isTurningKeys = true
    const turned = isWorn ? this.changeGossipKey() : this.propose(changes)
    turned
      .catch((error: unknown) => log.warn({ err: error }, 'the key of the gossip was not changed'))
      .finally(() => {
        this.#isTurningKeys = false
      })
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
