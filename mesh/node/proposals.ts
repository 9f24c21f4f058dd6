import { unreachable } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import type { NodeId } from '../base/ids.ts'
import { isFault, MeshError } from '../base/mesh-error.ts'
import type { ApplyResult, Transaction } from '../catalog/types.ts'
import type { Transport } from '../transport/transport.ts'
import { isRefused } from '../wire/frames.ts'
import {
  decodeProposeReply,
  decodeTransaction,
  encodeProposeReply,
  encodeTransaction,
  transactionBytesMax,
  type ProposeReply,
} from '../wire/transaction.ts'

const proposeProtocol = '/mesh/propose/1'
/** How long a call waits for a leader and its answer. */
const proposeTimeoutMs = 4000
const pendingMax = 1024
const pendingBytesMax = 32 * 1024 * 1024

/** Who leads, for proposals: Raft's word, also when the leader is not ready for readers yet. */
export type LeaderSight =
  | { readonly kind: 'none' }
  | { readonly kind: 'self'; readonly term: number }
  | { readonly kind: 'other'; readonly node: NodeId }

export interface ProposalsDeps {
  readonly transport: Transport
  readonly clock: Clock
  readonly leader: () => LeaderSight
  /** Into our own log, as leader, all or none; false when they were dropped. */
  readonly append: (data: readonly Uint8Array[]) => boolean
  /** Throws when no manager could apply it. */
  readonly refuseUnreadable: (data: Uint8Array) => void
  /** Something waits for `appendWaiting`. */
  readonly onWaiting: () => void
  readonly appliedIndex: () => number
  /** What became of a request that is applied already. */
  readonly resultOf: (request: string) => ApplyResult | undefined
  readonly isManager: (node: NodeId) => boolean
  /** Why our own log takes nothing new now; null when it does. */
  readonly refusal: () => Promise<MeshError | null>
  /** Names of the managers that cannot be reached now. */
  readonly unreachable: () => readonly string[]
}

interface Pending {
  readonly request: string
  readonly data: Uint8Array
  /** Passed on by another manager: not passed on once more. */
  readonly isForeign: boolean
  readonly deadlineMs: number
  readonly settled: PromiseWithResolvers<ApplyResult>
  /** The term of the leader's log that we put it into; null when in none of ours. */
  appendedInTerm: number | null
  isUnderWay: boolean
  /** Somebody may have written it. */
  isSent: boolean
  /** The leader's answer, held back until we have applied as much. */
  answer: ApplyResult | null
}

/**
 * Transactions on their way. A lost leader or a lost message is met by trying again under the same
 * request id, which applies once whatever happens; only time ends the trying.
 */
export class Proposals {
  readonly #deps: ProposalsDeps
  readonly #pending = new Map<string, Pending>()
  /** For our own log; they go into it together, so that one message carries them to each peer. */
  #waiting = new Set<Pending>()
  #pendingBytes = 0
  #isStopped = false

  constructor(deps: ProposalsDeps) {
    this.#deps = deps
    deps.transport.onRequest(proposeProtocol, (from, frame) => this.#answer(from, frame))
  }

  async submit(transaction: Transaction, isForeign = false): Promise<ApplyResult> {
    // Asked first: from here on nothing may come between the look for the request and its entry.
    const refusal = this.#deps.leader().kind === 'self' ? await this.#deps.refusal() : null
    const known =
      this.#pending.get(transaction.request)?.settled.promise ??
      this.#deps.resultOf(transaction.request)
    if (known !== undefined) return known
    if (this.#isStopped) throw this.#noLeader()
    const data = encodeTransaction(transaction)
    this.#refuseExcess(data.length)
    if (refusal !== null) throw refusal
    if (!isForeign) this.#deps.refuseUnreadable(data)
    const pending: Pending = {
      request: transaction.request,
      data,
      isForeign,
      deadlineMs: this.#deps.clock.monotonicMs() + proposeTimeoutMs,
      settled: Promise.withResolvers(),
      appendedInTerm: null,
      isUnderWay: false,
      isSent: false,
      answer: null,
    }
    this.#pending.set(pending.request, pending)
    this.#pendingBytes += data.length
    this.#attempt(pending)
    return pending.settled.promise
  }

  /** A transaction was applied here. */
  applied(request: string, result: ApplyResult): void {
    const pending = this.#pending.get(request)
    if (pending !== undefined) this.#settle(pending, () => pending.settled.resolve(result))
  }

  /** Called before each turn of Raft. */
  appendWaiting(): void {
    if (this.#waiting.size === 0) return
    const waiting = [...this.#waiting]
    this.#waiting = new Set()
    const leader = this.#deps.leader()
    // Whoever is not taken is looked at again by the next review.
    if (leader.kind !== 'self' || !this.#deps.append(waiting.map(({ data }) => data))) return
    for (const pending of waiting) {
      pending.appendedInTerm = leader.term
      pending.isSent = true
    }
  }

  /** Called every tick, on a new leader, and after a snapshot was taken over. */
  review(): void {
    const nowMs = this.#deps.clock.monotonicMs()
    for (const pending of this.#pending.values()) {
      const result = this.#deps.resultOf(pending.request) ?? this.#dueAnswer(pending)
      if (result !== undefined) this.#settle(pending, () => pending.settled.resolve(result))
      else if (nowMs >= pending.deadlineMs) this.#expire(pending)
      else this.#attempt(pending)
    }
  }

  stop(): void {
    this.#isStopped = true
    for (const pending of this.#pending.values()) this.#expire(pending)
  }

  #refuseExcess(bytes: number): void {
    if (bytes > transactionBytesMax) {
      throw new MeshError({ code: 'raft/too-large', bytes, limitBytes: transactionBytesMax })
    }
    if (this.#pending.size >= pendingMax || this.#pendingBytes + bytes > pendingBytesMax) {
      throw new MeshError({ code: 'raft/overloaded', pending: this.#pending.size })
    }
  }

  #attempt(pending: Pending): void {
    if (pending.isUnderWay || pending.answer !== null) return
    const leader = this.#deps.leader()
    switch (leader.kind) {
      case 'none':
        return
      case 'self':
        return this.#await(pending, leader.term)
      case 'other':
        return this.#passOn(pending, leader.node)
      default:
        return unreachable(leader)
    }
  }

  #await(pending: Pending, term: number): void {
    // In this term it is in our log: it will be applied, or we shall not lead any more.
    if (pending.appendedInTerm === term) return
    this.#waiting.add(pending)
    this.#deps.onWaiting()
  }

  #passOn(pending: Pending, leader: NodeId): void {
    const { transport, clock } = this.#deps
    if (pending.isForeign) return this.#refuseForeign(pending)
    if (!transport.connected().includes(leader)) return
    const leftMs = pending.deadlineMs - clock.monotonicMs()
    pending.isUnderWay = true
    const wasSent = pending.isSent
    pending.isSent = true
    transport.request(leader, proposeProtocol, pending.data, leftMs).then(
      (frame) => {
        pending.isUnderWay = false
        const reply = decodeProposeReply(frame)
        if (isRefused(reply)) return
        if (reply.kind === 'not-leader') pending.isSent = wasSent
        if (reply.kind === 'done') this.#hear(pending, reply.result)
      },
      () => {
        pending.isUnderWay = false
      },
    )
  }

  #refuseForeign(pending: Pending): void {
    const code = pending.isSent ? 'raft/outcome-unknown' : 'raft/not-leader'
    const error = new MeshError({ code, request: pending.request })
    this.#settle(pending, () => pending.settled.reject(error))
  }

  /** Our own readers must see the write when its caller hears of it. */
  #hear(pending: Pending, result: ApplyResult): void {
    pending.answer = result
    const due = this.#dueAnswer(pending)
    if (due !== undefined) this.#settle(pending, () => pending.settled.resolve(due))
  }

  #dueAnswer({ answer }: Pending): ApplyResult | undefined {
    return answer !== null && this.#deps.appliedIndex() >= answer.index ? answer : undefined
  }

  #expire(pending: Pending): void {
    const { request, isSent, settled } = pending
    // Even with the leader's answer at hand: who goes on as if it were done must find it done here.
    const error = isSent
      ? new MeshError({ code: 'raft/outcome-unknown', request })
      : this.#noLeader()
    this.#settle(pending, () => settled.reject(error))
  }

  #noLeader(): MeshError {
    return new MeshError({ code: 'raft/no-leader', unreachable: this.#deps.unreachable() })
  }

  #settle(pending: Pending, tell: () => void): void {
    if (!this.#pending.delete(pending.request)) return
    this.#waiting.delete(pending)
    this.#pendingBytes -= pending.data.length
    tell()
  }

  async #answer(from: NodeId, frame: Uint8Array): Promise<Uint8Array> {
    return encodeProposeReply(await this.#replyTo(from, frame))
  }

  async #replyTo(from: NodeId, frame: Uint8Array): Promise<ProposeReply> {
    const transaction = decodeTransaction(frame)
    const isRefusedHere = isRefused(transaction) || !this.#deps.isManager(from)
    if (isRefusedHere || this.#deps.leader().kind !== 'self') return { kind: 'not-leader' }
    try {
      return { kind: 'done', result: await this.submit(transaction, true) }
    } catch (error) {
      if (isFault(error, 'raft/outcome-unknown')) return { kind: 'unknown' }
      return { kind: 'not-leader' }
    }
  }
}
