import type { Clock } from '../base/clock.ts'
import type { NodeId } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import { MeshError } from '../base/mesh-error.ts'
import type { MembershipDriver } from './membership-driver.ts'

const tries = 5
const answerMs = 100
const repeatMs = 60_000

export interface TwinsDeps {
  readonly self: NodeId
  /** Where this process is, and where the cluster says that the node is. */
  readonly address: string
  readonly knownAddress: () => string | undefined
  readonly clock: Clock
  readonly log: Log
  readonly fatal: (error: Error) => void
}

/**
 * Two processes with one identity (a copied disk, a restored machine) would vote twice and take each
 * other's traffic: one of them must go. It is the one that is not where the cluster knows the node.
 */
export class Twins {
  readonly #deps: TwinsDeps
  #saidAtMs = -Infinity

  constructor(deps: TwinsDeps) {
    this.#deps = deps
  }

  /** Before anything is said in this node's name: rejects when somebody answers at its known address. */
  async refuse(membership: Pick<MembershipDriver, 'challenge' | 'onTwin'>): Promise<void> {
    const { self, address, knownAddress, clock } = this.#deps
    const known = knownAddress()
    if (known === undefined || known === address) return
    let isFound = false
    membership.onTwin(() => {
      isFound = true
    })
    for (let tried = 0; tried < tries && !isFound; tried++) {
      membership.challenge(known)
      await new Promise<void>((resolve) => void clock.after(answerMs, resolve))
    }
    if (isFound) throw new MeshError({ code: 'membership/identity-in-use', node: self, at: known })
  }

  found(at: string): void {
    const { self: node, address, knownAddress, clock, log, fatal } = this.#deps
    const known = knownAddress()
    const isOurs = known === address || (known !== at && address < at)
    if (!isOurs) return fatal(new MeshError({ code: 'membership/identity-in-use', node, at }))
    const nowMs = clock.monotonicMs()
    if (nowMs - this.#saidAtMs < repeatMs) return
    this.#saidAtMs = nowMs
    log.error({ at }, "another process runs with a copy of this node's identity: stop it")
  }
}
