import { unreachable } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { MeshError } from '../base/mesh-error.ts'
import type { Random } from '../base/random.ts'
import type { RenewalIssued, RenewalReply } from '../wire/renewal-message.ts'

/** Not with every change of the catalog: while a log is read again, it passes through old times. */
const checkMs = 500
const retryMsMin = 1000
const retryMsMax = 60_000
/** Elections and restarts of managers take less. */
const outOfTouchMs = 5000

/** All nodes hear in one moment that another authority issues; not all are to ask in it. */
const issuerDelayMsMax = 3000

export type RenewalReason =
  | 'its time has come'
  | 'the role differs'
  | 'another authority issues'
  | 'out of touch'

export interface RenewalsDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** When the present certificate is to be replaced, wall clock. */
  readonly renewAtMs: () => number
  /** The catalog says that this node is something else than its certificate says. */
  readonly hasOtherRole: () => boolean
  /** The catalog says that another authority issues certificates than the one of this node's. */
  readonly hasOtherIssuer: () => boolean
  /** A leader or a feed is heard. */
  readonly isInTouch: () => boolean
  /** Asks some manager; null when there is none to ask. */
  readonly ask: (reason: RenewalReason) => Promise<RenewalReply | null>
  readonly take: (reply: RenewalIssued) => Promise<void>
  /** The cluster says that this node is none of it any more. Called once. */
  readonly removed: () => void
}

/**
 * Decides when this node asks what it is: when its certificate is due, when the catalog gives it
 * another role, and when it has lost touch, since a node that was demoted or removed while it was
 * away is told nothing by anybody.
 */
export class Renewals {
  readonly #deps: RenewalsDeps
  readonly #stopChecks: () => void
  #failures = 0
  #notBeforeMs = 0
  #issuerNotBeforeMs: number | null = null
  #inTouchMs: number
  #isAsking = false
  #isOver = false

  constructor(deps: RenewalsDeps) {
    this.#deps = deps
    this.#inTouchMs = deps.clock.monotonicMs()
    this.#stopChecks = deps.clock.every(checkMs, () => this.#check())
  }

  stop(): void {
    this.#isOver = true
    this.#stopChecks()
  }

  #check(): void {
    const { clock, isInTouch } = this.#deps
    const nowMs = clock.monotonicMs()
    if (isInTouch()) this.#inTouchMs = nowMs
    if (this.#isOver || this.#isAsking || nowMs < this.#notBeforeMs) return
    const reason = this.#reason(nowMs)
    if (reason !== null) void this.#attempt(reason)
  }

  #reason(nowMs: number): RenewalReason | null {
    const { clock, renewAtMs, hasOtherRole } = this.#deps
    if (hasOtherRole()) return 'the role differs'
    if (clock.nowMs() >= renewAtMs()) return 'its time has come'
    if (this.#isTimeForIssuer(nowMs)) return 'another authority issues'
    return nowMs - this.#inTouchMs >= outOfTouchMs ? 'out of touch' : null
  }

  #isTimeForIssuer(nowMs: number): boolean {
    const { hasOtherIssuer, isInTouch, random } = this.#deps
    if (!isInTouch() || !hasOtherIssuer()) this.#issuerNotBeforeMs = null
    else this.#issuerNotBeforeMs ??= nowMs + random.below(issuerDelayMsMax)
    return this.#issuerNotBeforeMs !== null && nowMs >= this.#issuerNotBeforeMs
  }

  async #attempt(reason: RenewalReason): Promise<void> {
    this.#isAsking = true
    const isSettled = await this.#ask(reason)
    this.#isAsking = false
    // Out of touch, nothing is settled by an answer: it may have to be asked for again.
    this.#failures = isSettled && reason !== 'out of touch' ? 0 : this.#failures + 1
    this.#notBeforeMs = this.#deps.clock.monotonicMs() + this.#backOffMs()
  }

  /** Jittered: the nodes of a cluster that lost its managers are not to meet them in one moment. */
  #backOffMs(): number {
    const doublings = Math.max(0, Math.min(this.#failures - 1, 10))
    const baseMs = Math.min(retryMsMax, retryMsMin * 2 ** doublings)
    return baseMs / 2 + this.#deps.random.below(baseMs)
  }

  async #ask(reason: RenewalReason): Promise<boolean> {
    const { log, ask } = this.#deps
    try {
      const reply = await ask(reason)
      return reply !== null && !this.#isOver && (await this.#hear(reply, reason))
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
      log.info({ reason, fault: error.fault }, 'no certificate yet')
      return false
    }
  }

  async #hear(reply: RenewalReply, reason: RenewalReason): Promise<boolean> {
    const { log, take, removed } = this.#deps
    switch (reply.kind) {
      case 'issued':
        await take(reply)
        log.info({ reason, role: reply.role }, 'certificate renewed')
        return true
      case 'removed':
        this.stop()
        removed()
        return true
      case 'wait':
        log.debug({ reason, because: reply.reason }, 'no certificate yet')
        return true
      case 'refused':
        log.warn({ reason, because: reply.reason }, 'a manager refused a certificate')
        return false
      default:
        return unreachable(reply)
    }
  }
}
