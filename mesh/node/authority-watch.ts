import type { Clock } from '../base/clock.ts'
import type { NodeId } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import type { AuthorityTrust, MeshPolicy, RotationMark } from '../catalog/policy.ts'
import type { ApplyResult, Change } from '../catalog/types.ts'
import type { DiscoveryRecord } from '../discovery/types.ts'
import { drawJoinSecret } from '../identity/join-token.ts'
import { isIssuedWith } from '../identity/node-identity.ts'
import type { Member } from '../membership/types.ts'
import { rotationMark } from '../wire/rotation-mark.ts'
import type { DiscoveryDriver } from './discovery-driver.ts'
import type { MembershipDriver } from './membership-driver.ts'
import type { Standing } from './standing.ts'

const checkMs = 500
const recordKey = 'node/authority'

export interface AuthorityWatchDeps {
  readonly standing: Standing
  readonly discovery: DiscoveryDriver
  readonly membership: MembershipDriver
  readonly policy: MeshPolicy
  readonly clock: Clock
  readonly log: Log
  readonly propose: (changes: readonly Change[]) => Promise<ApplyResult>
}

/**
 * This node's part in a rotation of the authority: it trusts what the catalog says, tells the
 * others how far it has got, and where it leads, takes the next step when that is due.
 */
export class AuthorityWatch {
  readonly #deps: AuthorityWatchDeps
  readonly #ends: readonly (() => void)[]
  readonly #marks = new Map<NodeId, RotationMark>()
  readonly #up = new Set<NodeId>()
  #told: string | null = null
  #isTrusting = false
  #isTurning = false

  constructor(deps: AuthorityWatchDeps) {
    this.#deps = deps
    this.#ends = [
      deps.clock.every(checkMs, () => this.#check()),
      deps.discovery.watch((records) => this.#heard(records)),
      deps.membership.watch((members) => this.#seen(members)),
    ]
  }

  stop(): void {
    for (const end of this.#ends) end()
  }

  #check(): void {
    const { standing, policy } = this.#deps
    const trust = policy.authorityTrust(standing.table.catalog())
    // A catalog of a former life says what counted then.
    if (trust === null || !standing.isInTouch) return
    this.#follow(trust)
    this.#tell(trust)
    this.#goOn(trust)
  }

  #follow({ trustedPem, signerPem, rotation }: AuthorityTrust): void {
    const { standing, log } = this.#deps
    const { identity } = standing
    if (this.#isTrusting || trustedPem.join('') === identity.caCertificatesPem.join('')) return
    // Either this node or its catalog is behind: the answer to its renewal settles it.
    if (rotation === null && !isIssuedWith(identity, signerPem)) return
    this.#isTrusting = true
    standing
      .trust(trustedPem)
      .then(() => log.info({ authorities: trustedPem.length }, 'other authorities are trusted now'))
      .catch((error: unknown) => log.warn({ err: error }, 'the authorities were not saved'))
      .finally(() => {
        this.#isTrusting = false
      })
  }

  /** Once it is so, on the disk too. */
  #tell({ trustedPem, signerPem, rotation }: AuthorityTrust): void {
    const { standing, discovery } = this.#deps
    const { identity } = standing
    const isDone =
      trustedPem.every((pem) => identity.caCertificatesPem.includes(pem)) &&
      (rotation?.step !== 'issue' || isIssuedWith(identity, signerPem))
    const mark = isDone && rotation !== null ? { id: rotation.id, step: rotation.step } : null
    const text = JSON.stringify(mark)
    if (text === (this.#told ?? 'null')) return
    this.#told = text
    discovery.publish(recordKey, mark)
  }

  /** The catalog holds how far it has got, so the next leader goes on with it. */
  #goOn({ rotation }: AuthorityTrust): void {
    const { standing, policy, clock, log, propose } = this.#deps
    const { table } = standing
    if (rotation === null || this.#isTurning || !table.leader().isSelf) return
    const changes = policy.rotationDue(table.catalog(), {
      nowMs: clock.nowMs(),
      markOf: (node) => this.#marks.get(node) ?? null,
      isDown: (node) => !this.#up.has(node),
      joinSecrets: { manager: drawJoinSecret(), worker: drawJoinSecret() },
    })
    if (changes.length === 0) return
    this.#isTurning = true
    propose(changes)
      .then(() => log.info({ after: rotation.step }, 'the authority is being replaced: next step'))
      .catch((error: unknown) => log.warn({ err: error }, 'the authority was not replaced'))
      .finally(() => {
        this.#isTurning = false
      })
  }

  #heard(records: readonly DiscoveryRecord[]): void {
    for (const { node, key, value } of records) {
      if (key !== recordKey) continue
      const mark = rotationMark(value)
      if (mark === null) this.#marks.delete(node)
      else this.#marks.set(node, mark)
    }
  }

  #seen(members: readonly Member[]): void {
    for (const { id, state } of members) {
      if (state === 'dead' || state === 'left') this.#up.delete(id)
      else this.#up.add(id)
    }
  }
}
