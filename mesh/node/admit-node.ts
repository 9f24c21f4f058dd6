import type { Clock } from '../base/clock.ts'
import { drawId, nodeId, type NodeRole } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import { MeshError } from '../base/mesh-error.ts'
import type { Random } from '../base/random.ts'
import type { ClusterAuthority, MeshPolicy, Newcomer } from '../catalog/policy.ts'
import type { ApplyResult, CatalogReader, Change } from '../catalog/types.ts'
import { issueCertificate } from '../identity/certificate-authority.ts'
import { checkCertificateRequest } from '../identity/certificate-request.ts'
import { isSameSecret } from '../identity/join-token.ts'
import { keyDigest } from '../identity/key-digest.ts'
import { withSeenHost, type JoinReply, type JoinRequest } from '../wire/join-message.ts'
import { raftIdOf } from './raft-id.ts'

export interface AdmitDeps {
  readonly policy: MeshPolicy
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly catalog: () => CatalogReader
  /** Makes the catalog as new as any acknowledged write: a token rotated elsewhere counts at once. */
  readonly barrier: () => Promise<void>
  readonly propose: (changes: readonly Change[]) => Promise<ApplyResult>
}

/**
 * Answers a machine that wants in: the secret decides the role, the request proves its keys, the
 * catalog gets the node, and only then the certificate leaves.
 */
export async function admitNode(
  asked: JoinRequest,
  remoteHost: string,
  deps: AdmitDeps,
): Promise<JoinReply> {
  try {
    await deps.barrier()
    const reply = await admit(withSeenHost(asked, remoteHost), remoteHost, deps)
    if (reply.kind === 'refused') {
      deps.log.warn({ remote: remoteHost, reason: reply.reason }, 'join refused')
    }
    return reply
  } catch (error) {
    if (!(error instanceof MeshError)) throw error
    return refuse('the cluster has no leader now; try again in a few seconds')
  }
}

async function admit(
  request: JoinRequest,
  remoteHost: string,
  deps: AdmitDeps,
): Promise<JoinReply> {
  const authority = deps.policy.authority(deps.catalog())
  if (authority === null) return refuse('this node is not a manager; join through a manager')
  const role = roleOfSecret(request.secret, authority)
  if (role === null) return refuse('the token is not valid (wrong, or rotated since)')
  const keys = checkCertificateRequest(request.certificateRequest)
  if ('refused' in keys) return refuse(keys.refused)

  const newcomer = describe(request, { role, ...keys }, deps.random)
  const result = await deps.propose(deps.policy.admit(newcomer, deps.clock.nowMs()))
  if (result.kind === 'refused') return refuse(`the cluster refused it: ${result.refusal.code}`)
  const { node, name } = newcomer
  deps.log.info({ node, name, role, remote: remoteHost }, 'node admitted')
  const { clusterId, caCertificatePem, gossipKeys } = authority
  const nowMs = deps.clock.nowMs()
  const subject = { node, clusterId, role, ...keys }
  return {
    kind: 'accepted',
    nodeId: node,
    clusterId,
    role,
    certificatePem: issueCertificate(authority, subject, nowMs),
    caCertificatePem,
    gossipKeys,
    members: deps.policy.members(deps.catalog()),
    nowMs,
    yourAddress: remoteHost,
  }
}

function roleOfSecret(secret: string, authority: ClusterAuthority): NodeRole | null {
  if (isSameSecret(secret, authority.joinSecrets.manager)) return 'manager'
  if (isSameSecret(secret, authority.joinSecrets.worker)) return 'worker'
  return null
}

function describe(
  request: JoinRequest,
  proven: { readonly role: NodeRole; readonly peerId: string; readonly publicKey: Uint8Array },
  random: Random,
): Newcomer {
  const node = nodeId(drawId(random))
  return {
    node,
    role: proven.role,
    name: request.name,
    peerId: proven.peerId,
    keyDigest: keyDigest(proven.publicKey),
    raftId: raftIdOf(node),
    gossipAddress: request.gossipAddress,
    controlAddress: request.controlAddress,
    dataPathAddress: request.dataPathAddress,
    availability: request.availability,
    description: request.description,
  }
}

const refuse = (reason: string): JoinReply => ({ kind: 'refused', reason })
