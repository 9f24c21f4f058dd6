import { drawId, nodeId, type NodeId, type NodeRole } from '../../../mesh/base/ids.ts'
import { SeededRandom } from '../../../mesh/base/random.ts'
import {
  createAuthority,
  issueCertificate,
  type Authority,
} from '../../../mesh/identity/certificate-authority.ts'
import {
  checkCertificateRequest,
  createCertificateRequest,
} from '../../../mesh/identity/certificate-request.ts'
import { drawNodeKeys } from '../../../mesh/identity/node-keys.ts'
import type { NodeIdentity } from '../../../mesh/identity/node-identity.ts'

/** A cluster's authority, and as many members of it as a test wants. */
export class TestCluster {
  readonly clusterId: string
  readonly authority: Authority
  readonly #random: SeededRandom

  constructor(seed = 1, nowMs = Date.now()) {
    this.#random = new SeededRandom(seed)
    this.clusterId = drawId(this.#random)
    this.authority = createAuthority(this.clusterId, nowMs)
  }

  drawNodeId(): NodeId {
    return nodeId(drawId(this.#random))
  }

  async member(
    given: { role?: NodeRole; node?: NodeId; nowMs?: number } = {},
  ): Promise<NodeIdentity> {
    const { peerId, tlsKeyPem, libp2pPrivateKey } = await drawNodeKeys()
    const identity = {
      nodeId: given.node ?? this.drawNodeId(),
      clusterId: this.clusterId,
      role: given.role ?? 'manager',
      peerId,
      tlsKeyPem,
      caCertificatesPem: [this.authority.caCertificatePem],
      libp2pPrivateKey,
    }
    return { ...identity, certificatePem: this.renew(identity, given.nowMs) }
  }

  /** A certificate for a member's keys, issued now or at `nowMs`. */
  renew(member: Omit<NodeIdentity, 'certificatePem'>, nowMs = Date.now()): string {
    const keys = checkCertificateRequest(createCertificateRequest(member))
    if ('refused' in keys) throw new Error(keys.refused)
    const { nodeId, clusterId, role } = member
    return issueCertificate(this.authority, { node: nodeId, clusterId, role, ...keys }, nowMs)
  }
}
