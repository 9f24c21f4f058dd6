import { randomBytes } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { drawId, nodeId } from '../base/ids.ts'
import type { Random } from '../base/random.ts'
import type { ClusterAuthority, MeshPolicy, Newcomer } from '../catalog/policy.ts'
import type { Change } from '../catalog/types.ts'
import { assert } from '../base/assert.ts'
import { createAuthority, issueCertificate } from '../identity/certificate-authority.ts'
import {
  checkCertificateRequest,
  createCertificateRequest,
} from '../identity/certificate-request.ts'
import { drawJoinSecret } from '../identity/join-token.ts'
import { keyDigest } from '../identity/key-digest.ts'
import { drawNodeKeys } from '../identity/node-keys.ts'
import { drawUnlockKey } from '../identity/unlock-key.ts'
import type { MeshNodeOptions } from './mesh-node-options.ts'
import type { NodeState } from './node-state.ts'
import { raftIdOf } from './raft-id.ts'

export interface Founding {
  readonly state: NodeState
  /** The first transaction of the cluster's log. */
  readonly changes: readonly Change[]
}

/** A new cluster with this node as its only member: authority, secrets, keys, identity. */
export async function foundCluster(
  { facts, autolock = false }: Pick<MeshNodeOptions, 'facts' | 'autolock'>,
  deps: { readonly policy: MeshPolicy; readonly clock: Clock; readonly random: Random },
): Promise<Founding> {
  const nowMs = deps.clock.nowMs()
  const clusterId = drawId(deps.random)
  const node = nodeId(drawId(deps.random))
  const keys = await drawNodeKeys()
  const ca = createAuthority(clusterId, nowMs)
  const proven = checkCertificateRequest(createCertificateRequest(keys))
  assert('peerId' in proven, 'keys prove themselves')
  const subject = { node, clusterId, role: 'manager', ...proven } as const
  const authority: ClusterAuthority = {
    clusterId,
    ...ca,
    joinSecrets: { manager: drawJoinSecret(), worker: drawJoinSecret() },
    gossipKeys: [randomBytes(32).toString('base64')],
    ...(autolock && { unlockKey: drawUnlockKey() }),
  }
  const identity = {
    nodeId: node,
    clusterId,
    role: 'manager' as const,
    peerId: keys.peerId,
    certificatePem: issueCertificate(ca, subject, nowMs),
    tlsKeyPem: keys.tlsKeyPem,
    caCertificatesPem: [ca.caCertificatePem],
    libp2pPrivateKey: keys.libp2pPrivateKey,
  }
  const founder: Newcomer = {
    ...facts,
    node,
    role: 'manager',
    peerId: keys.peerId,
    keyDigest: keyDigest(proven.publicKey),
    raftId: raftIdOf(node),
  }
  return {
    state: { identity, acquaintance: { gossipKeys: authority.gossipKeys, members: [] } },
    changes: deps.policy.found(authority, founder, nowMs),
  }
}
