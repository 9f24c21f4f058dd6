import { drawId, nodeId, type NodeId } from '../../../mesh/base/ids.ts'
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
import type { NodeRole } from '../../../mesh/identity/peer-identity.ts'

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
    const keys = await drawNodeKeys()
    const proven = checkCertificateRequest(createCertificateRequest(keys))
    if ('refused' in proven) throw new Error(proven.refused)
    const node = given.node ?? this.drawNodeId()
    const role = given.role ?? 'manager'
    const subject = { node, role, clusterId: this.clusterId, ...proven }
    return {
      nodeId: node,
      clusterId: this.clusterId,
      role,
      peerId: keys.peerId,
      certificatePem: issueCertificate(this.authority, subject, given.nowMs ?? Date.now()),
      tlsKeyPem: keys.tlsKeyPem,
      caCertificatesPem: [this.authority.caCertificatePem],
      libp2pPrivateKey: keys.libp2pPrivateKey,
    }
  }
}
