import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { createCertificateRequest } from '../identity/certificate-request.ts'
import { drawNodeKeys } from '../identity/node-keys.ts'
import { requestJoin } from '../transport/join-client.ts'
import type { NodeFacts } from './node-facts.ts'
import type { NodeState } from './node-state.ts'

export interface JoinTarget {
  readonly token: string
  readonly host: string
  readonly port: number
  readonly timeoutMs: number
}

/**
 * Becomes a member of the cluster that the token names: draws keys, proves them, and comes back
 * with a certificate. Rejects with `join/…` faults.
 */
export async function joinCluster(
  target: JoinTarget,
  facts: NodeFacts,
  deps: { readonly clock: Clock; readonly log: Log },
): Promise<NodeState> {
  const keys = await drawNodeKeys()
  const joined = await requestJoin({
    ...target,
    clock: deps.clock,
    request: { certificateRequest: createCertificateRequest(keys), ...facts },
  })
  if (joined.clockWarning !== undefined) {
    deps.log.warn(joined.clockWarning, "this machine's clock differs from the manager's")
  }
  const { nodeId, clusterId, role, certificatePem, caCertificatePem } = joined.accepted
  return {
    identity: {
      nodeId,
      clusterId,
      role,
      peerId: keys.peerId,
      certificatePem,
      tlsKeyPem: keys.tlsKeyPem,
      caCertificatesPem: [caCertificatePem],
      libp2pPrivateKey: keys.libp2pPrivateKey,
    },
    acquaintance: { gossipKeys: joined.accepted.gossipKeys, members: joined.accepted.members },
  }
}
