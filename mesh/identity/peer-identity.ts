import type { NodeId, NodeRole } from '../base/ids.ts'

/** Who a certificate proves the peer to be; what it may do is the catalog's to say. */
export interface PeerIdentity {
  readonly nodeId: NodeId
  readonly clusterId: string
  readonly role: NodeRole
  /** Of its libp2p key. */
  readonly peerId: string
  /** Hexadecimal, lower case. */
  readonly serial: string
  /** SHA-256 of the SubjectPublicKeyInfo, hexadecimal. */
  readonly keyDigest: string
  readonly notAfterMs: number
}
