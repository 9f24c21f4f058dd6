import type { Clock } from '../base/clock.ts'
import type { NodeRole } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import { MeshError } from '../base/mesh-error.ts'
import type { Random } from '../base/random.ts'
import type { MemberAddress, MeshPolicy } from '../catalog/policy.ts'
import { createCertificateRequest } from '../identity/certificate-request.ts'
import { isIssuedWith, renewalTimeMs } from '../identity/node-identity.ts'
import { requestRenewal } from '../transport/renewal-client.ts'
import type { RenewalReply, RenewalRequest } from '../wire/renewal-message.ts'
import { Renewals, type RenewalReason } from './renewals.ts'
import type { Roster } from './roster.ts'
import type { Standing } from './standing.ts'

/** A manager asks its cluster for up to 4 s before it answers. */
const askTimeoutMs = 6000

export interface OpenRenewalsDeps {
  readonly standing: Standing
  readonly roster: Roster
  readonly policy: MeshPolicy
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** This node's own answer, when it is a manager. */
  readonly answer: (request: RenewalRequest) => Promise<RenewalReply>
  readonly removed: () => void
}

/** Keeps certificate and role of this node what the cluster says that they are. */
export function openRenewals(deps: OpenRenewalsDeps): Renewals {
  const { standing, random } = deps
  const drawTime = (): number => renewalTimeMs(standing.identity.certificatePem, random)
  let renewAtMs = drawTime()
  standing.onIdentity(() => {
    renewAtMs = drawTime()
  })
  return new Renewals({
    ...deps,
    log: deps.log.child('renewal'),
    renewAtMs: () => renewAtMs,
    hasOtherRole: () => hasOtherRole(deps),
    hasOtherIssuer: () => hasOtherIssuer(deps),
    isInTouch: () => standing.isInTouch,
    ask: (reason) => ask(reason, deps),
    take: (reply) => standing.take(reply),
  })
}

/** For these a manager needs nobody else; it may be the only one. */
const ownReasons: ReadonlySet<RenewalReason> = new Set([
  'its time has come',
  'another authority issues',
])

function hasOtherRole({ standing, policy }: OpenRenewalsDeps): boolean {
  const catalog = standing.table.catalog()
  // Before there is a catalog, nothing is known of anybody.
  if (policy.members(catalog).length === 0) return false
  const { nodeId, role } = standing.identity
  const wanted: NodeRole | null = policy.roleOf(catalog, nodeId)
  return wanted !== role
}

function hasOtherIssuer({ standing, policy }: OpenRenewalsDeps): boolean {
  const trust = policy.authorityTrust(standing.table.catalog())
  return trust !== null && !isIssuedWith(standing.identity, trust.signerPem)
}

function ask(reason: RenewalReason, deps: OpenRenewalsDeps): Promise<RenewalReply | null> {
  const { identity } = deps.standing
  const request: RenewalRequest = {
    version: 1,
    node: identity.nodeId,
    certificateRequest: createCertificateRequest(identity),
  }
  const isOwnBusiness = ownReasons.has(reason) && deps.standing.role === 'manager'
  return isOwnBusiness ? deps.answer(request) : askOther(request, deps)
}

async function askOther(
  request: RenewalRequest,
  deps: OpenRenewalsDeps,
): Promise<RenewalReply | null> {
  const { standing, clock, random } = deps
  const { identity } = standing
  const manager = pick(otherManagers(deps), random)
  if (manager === undefined) return null
  const { node, controlAddress } = manager
  try {
    return await requestRenewal({
      manager: node,
      address: controlAddress,
      identity,
      request,
      timeoutMs: askTimeoutMs,
      clock,
    })
  } catch (error) {
    if (!(error instanceof MeshError)) throw error
    const fault = { ...error.fault, manager: manager.name }
    throw new MeshError(fault, { cause: error })
  }
}

const otherManagers = ({ roster, standing }: OpenRenewalsDeps): readonly MemberAddress[] =>
  roster.members.filter(({ node, role }) => role === 'manager' && node !== standing.identity.nodeId)

const pick = <T>(items: readonly T[], random: Random): T | undefined =>
  items.length === 0 ? undefined : items[random.below(items.length)]
