import type { Clock } from '../base/clock.ts'
import type { NodeId } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import { MeshError } from '../base/mesh-error.ts'
import type { MeshPolicy } from '../catalog/policy.ts'
import type { CatalogReader } from '../catalog/types.ts'
import { checkCertificateRequest } from '../identity/certificate-request.ts'
import type { RenewalReply, RenewalRequest } from '../wire/renewal-message.ts'
import { issueChain } from './issue-chain.ts'
import { raftIdOf } from './raft-id.ts'

export interface AnswerRenewalDeps {
  readonly self: NodeId
  readonly policy: MeshPolicy
  readonly clock: Clock
  readonly log: Log
  readonly catalog: () => CatalogReader
  /** Makes the catalog as new as any acknowledged write. */
  readonly barrier: () => Promise<void>
  readonly isRaftMember: (node: NodeId) => boolean
}

/**
 * A manager's answer to a member that asks what it is: a certificate for the role that the catalog
 * gives it now. Only for the keys with which that node joined.
 */
export async function answerRenewal(
  request: RenewalRequest,
  deps: AnswerRenewalDeps,
): Promise<RenewalReply> {
  const { policy, self } = deps
  try {
    await deps.barrier()
  } catch (error) {
    if (!(error instanceof MeshError)) throw error
    return { kind: 'wait', reason: 'the cluster has no leader now' }
  }
  const catalog = deps.catalog()
  const authority = policy.authority(catalog)
  if (authority === null || policy.roleOf(catalog, self) !== 'manager') {
    return refuse('this node is not a manager')
  }
  const keys = checkCertificateRequest(request.certificateRequest)
  if ('refused' in keys) return refuse(keys.refused)
  const { node } = request
  const member = policy.members(catalog).find((each) => each.node === node)
  if (member === undefined) return { kind: 'removed' }
  if (member.peerId !== keys.peerId) return refuse('these are not the keys of that node')
  const { role, raftId = raftIdOf(node) } = member
  // Its votes are needed until Raft has let it go; with a worker's certificate it would stop voting.
  if (role === 'worker' && deps.isRaftMember(node)) {
    return { kind: 'wait', reason: 'Raft still counts on this node' }
  }
  const { clusterId, trustedPem } = authority
  const subject = { node, clusterId, role, ...keys }
  deps.log.info({ node, name: member.name, role }, 'certificate issued')
  return {
    kind: 'issued',
    role,
    raftId,
    certificatePem: issueChain(authority, subject, deps.clock.nowMs()),
    caCertificatesPem: trustedPem,
  }
}

const refuse = (reason: string): RenewalReply => ({ kind: 'refused', reason })
