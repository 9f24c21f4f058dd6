import type { Clock } from '../base/clock.ts'
import { drawId, nodeId, type NodeRole } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import { MeshError } from '../base/mesh-error.ts'
import type { Random } from '../base/random.ts'
import type { ClusterAuthority, MeshPolicy, Newcomer } from '../catalog/policy.ts'
import type { ApplyResult, CatalogReader, Change } from '../catalog/types.ts'
import { checkCertificateRequest } from '../identity/certificate-request.ts'
import { isSameSecret } from '../identity/join-token.ts'
import { keyDigest } from '../identity/key-digest.ts'
import { knock, type Door } from '../transport/knock.ts'
import { withSeenHost, type JoinReply, type JoinRequest } from '../wire/join-message.ts'
import { issueChain } from './issue-chain.ts'
import { raftIdOf } from './raft-id.ts'

export interface AdmitDeps {
  readonly policy: MeshPolicy
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly catalog: () => CatalogReader
  /** Makes the catalog as new as any acknowledged write: a token rotated elsewhere counts at once. */
  readonly barrier: () => Promise<void>
  /** Of the node that answers, for people. */
  readonly selfName: () => string
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
  if (deps.policy.authority(deps.catalog()) === null) return refuse(notHere(deps))
  await deps.barrier()
  const authority = deps.policy.authority(deps.catalog())
  if (authority === null) return refuse(notHere(deps))
  const role = roleOfSecret(request.secret, authority)
  if (role === null) return refuse('the token is not valid (wrong, or rotated since)')
  const keys = checkCertificateRequest(request.certificateRequest)
  if ('refused' in keys) return refuse(keys.refused)
  const closed = await closedDoors(request)
  if (closed.length > 0) {
    return refuse(
      `${deps.selfName()} cannot reach ${closed.join(', ')}; open it, or mend the address`,
    )
  }

  const newcomer = describe(request, { role, ...keys }, deps.random)
  const result = await deps.propose(deps.policy.admit(newcomer, deps.clock.nowMs()))
  if (result.kind === 'refused') return refuse(`the cluster refused it: ${result.refusal.code}`)
  const { node, name } = newcomer
  deps.log.info({ node, name, role, remote: remoteHost }, 'node admitted')
  const { clusterId, trustedPem, gossipKeys } = authority
  const nowMs = deps.clock.nowMs()
  const subject = { node, clusterId, role, ...keys }
  return {
    kind: 'accepted',
    nodeId: node,
    clusterId,
    role,
    certificatePem: issueChain(authority, subject, nowMs),
    caCertificatesPem: trustedPem,
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

/** A manager whose address is wrong, or behind a closed port, would only cost the cluster its quorum. */
async function closedDoors(request: JoinRequest): Promise<string[]> {
  const { word, controlAddress, gossipAddress, dataPathAddress } = request
  if (word === undefined) return []
  const doors: readonly Door[] = [
    { protocol: 'tcp', address: controlAddress },
    { protocol: 'tcp', address: gossipAddress },
    { protocol: 'udp', address: gossipAddress },
    { protocol: 'tcp', address: dataPathAddress },
  ]
  const reasons = await Promise.all(doors.map((door) => knock(door, word)))
  return doors.flatMap(({ protocol, address }, at) => {
    const reason = reasons[at] ?? null
    return reason === null ? [] : [`${address}/${protocol} (${reason})`]
  })
}

function notHere({ policy, catalog }: AdmitDeps): string {
  const managers = policy.members(catalog()).filter(({ role }) => role === 'manager')
  const known = managers.map(({ controlAddress }) => controlAddress).join(', ')
  return `this node is a worker; join through a manager: ${known}`
}

const refuse = (reason: string): JoinReply => ({ kind: 'refused', reason })
