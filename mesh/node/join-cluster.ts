import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { MemberAddress } from '../catalog/policy.ts'
import { createCertificateRequest } from '../identity/certificate-request.ts'
import { drawNodeKeys } from '../identity/node-keys.ts'
import { requestJoin } from '../transport/join-client.ts'
import { tryDoor } from '../transport/knock.ts'
import type { NodeFacts } from './node-facts.ts'
import type { NodeState } from './node-state.ts'

/** Managers to try: more would only make a join on a closed network slower. */
const managersTried = 3

export interface JoinTarget {
  readonly token: string
  readonly host: string
  readonly port: number
  readonly timeoutMs: number
}

export interface JoinFacts extends NodeFacts {
  /** What this machine's ports answer meanwhile. */
  readonly word: string
}

/**
 * Becomes a member of the cluster that the token names: draws keys, proves them, and comes back
 * with a certificate. Rejects with `join/…` faults.
 */
export async function joinCluster(
  target: JoinTarget,
  facts: JoinFacts,
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
  await warnOfClosedDoors(joined.accepted.members, deps.log)
  const { nodeId, clusterId, role, certificatePem, caCertificatesPem } = joined.accepted
  return {
    identity: {
      nodeId,
      clusterId,
      role,
      peerId: keys.peerId,
      certificatePem,
      tlsKeyPem: keys.tlsKeyPem,
      caCertificatesPem,
      libp2pPrivateKey: keys.libp2pPrivateKey,
    },
    acquaintance: { gossipKeys: joined.accepted.gossipKeys, members: joined.accepted.members },
  }
}

/** The way from here to the managers; they have tried the other one. */
async function warnOfClosedDoors(members: readonly MemberAddress[], log: Log): Promise<void> {
  const managers = members.filter(({ role }) => role === 'manager').slice(0, managersTried)
  const addresses = managers.flatMap(({ gossipAddress, dataPathAddress }) => [
    gossipAddress,
    dataPathAddress,
  ])
  const reasons = await Promise.all(addresses.map((address) => tryDoor(address)))
  for (const [at, address] of addresses.entries()) {
    const reason = reasons[at] ?? null
    if (reason !== null)
      log.warn({ address, protocol: 'tcp', reason }, 'cannot reach a manager from here')
  }
}
