import type { NodeId, NodeRole } from '../base/ids.ts'
import type { JsonObject } from '../base/json.ts'
import type { CatalogReader, Change, StoredObject } from './types.ts'

/** What managers keep in the catalog to admit new members. */
export interface ClusterAuthority {
  readonly clusterId: string
  readonly caCertificatePem: string
  readonly caKeyPem: string
  readonly joinSecrets: { readonly manager: string; readonly worker: string }
  /** AES-256 keys, base64; the first one seals. */
  readonly gossipKeys: readonly string[]
  /** Of a founder whose managers' keys are to be locked. */
  readonly unlockKey?: string
}

/** The authority as it is now: how it was founded, and what its rotation has made of it. */
export interface PresentAuthority extends ClusterAuthority {
  /** Signs certificates now, and `caKeyPem` is its key; another than the root, perhaps. */
  readonly signerPem: string
  /** What a node shows between its own certificate and the roots. */
  readonly chainPem: readonly string[]
  /** Roots that count now. */
  readonly trustedPem: readonly string[]
}

/** What every node has to know of the authority. */
export interface AuthorityTrust {
  readonly trustedPem: readonly string[]
  /** Signs certificates now. */
  readonly signerPem: string
  /** The authority is being replaced. */
  readonly rotation: RotationMark | null
}

/** Up to where a rotation has got, or a node with it. */
export interface RotationMark {
  readonly id: string
  /** The next root is trusted; then it issues, too. */
  readonly step: 'trust' | 'issue'
}

/** What the leader knows that is not in the catalog. */
export interface RotationSeen {
  readonly nowMs: number
  /** What that node has said that it has done. */
  readonly markOf: (node: NodeId) => RotationMark | null
  readonly isDown: (node: NodeId) => boolean
  /** Newly drawn, for when it ends. */
  readonly joinSecrets: ClusterAuthority['joinSecrets']
}

/** What a node says of itself when it joins. */
export interface Newcomer {
  readonly node: NodeId
  readonly role: NodeRole
  readonly name: string
  readonly peerId: string
  readonly keyDigest: string
  readonly raftId: number
  readonly gossipAddress: string
  readonly controlAddress: string
  readonly dataPathAddress: string
  readonly availability: 'active' | 'pause' | 'drain'
  /** Opaque here: `src/model`'s NodeDescription. */
  readonly description: JsonObject
}

/** Where a member can be found, as the catalog has it. */
export interface MemberAddress {
  readonly node: NodeId
  readonly name: string
  readonly role: NodeRole
  readonly peerId: string
  readonly gossipAddress: string
  readonly controlAddress: string
  readonly dataPathAddress: string
  /** By which Raft knows it when it is a manager; that of a node's first life when absent. */
  readonly raftId?: number
}

/** What the objects of the catalog mean for the mesh itself; pure, given by `src/model`. */
export interface MeshPolicy {
  /** Null when nobody by that id may be here (removed, or never admitted). */
  roleOf(catalog: CatalogReader, node: NodeId): NodeRole | null
  members(catalog: CatalogReader): readonly MemberAddress[]
  /** Null on a worker's projection. */
  authority(catalog: CatalogReader): PresentAuthority | null
  /** Also on a worker; null where it is not known yet. */
  authorityTrust(catalog: CatalogReader): AuthorityTrust | null
  /** The next step of a rotation of the authority, when it is due; the leader asks now and then. */
  rotationDue(catalog: CatalogReader, seen: RotationSeen): readonly Change[]
  /** The first transaction of a new cluster. */
  found(authority: ClusterAuthority, founder: Newcomer, atMs: number): readonly Change[]
  admit(newcomer: Newcomer, atMs: number): readonly Change[]
  /** The node is the only manager left, by another number: what the table must say then. */
  survive(
    catalog: CatalogReader,
    survivor: { readonly node: NodeId; readonly raftId: number },
  ): readonly Change[]
  /** What seals and opens the gossip now, the first one sealing; null where it is not known yet. */
  gossipKeys(catalog: CatalogReader): readonly string[] | null
  /** Begins to replace the key of the gossip by this one. */
  beginKeyChange(catalog: CatalogReader, key: string, atMs: number): readonly Change[]
  /** The next step of that, when it is due; the leader asks now and then. */
  keyChangeDue(catalog: CatalogReader, nowMs: number): readonly Change[]
  /** The key is due to be replaced by a new one. */
  isKeyWorn(catalog: CatalogReader, nowMs: number): boolean
  /** What a worker may see; only objects of which something may be seen, bodies reduced. */
  project(catalog: CatalogReader, worker: NodeId): readonly StoredObject[]
}
