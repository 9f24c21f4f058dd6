import { unreachable } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import type { NodeId } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import { MeshError } from '../base/mesh-error.ts'
import type { Random } from '../base/random.ts'
import type { Membership } from '../membership/membership.ts'
import type { Rumour } from '../membership/message.ts'
import type { Transport } from '../transport/transport.ts'
import { isRefused } from '../wire/frames.ts'
import {
  decodeMemberSyncAnswer,
  decodeMemberSyncQuestion,
  encodeMemberSyncAnswer,
  encodeMemberSyncQuestion,
  memberSyncProtocol,
  type MemberSyncAnswer,
  type MemberSyncQuestion,
} from '../wire/member-sync-message.ts'

const periodMs = 15_000
/** From here on the period grows with the cluster, so that all together do not ask more. */
const smallCluster = 32
/** Many connections come up together when a node starts: one comparison tells it all. */
const restMs = 1000
const timeoutMs = 5000

export interface MemberExchangeDeps {
  readonly transport: Pick<Transport, 'request' | 'onRequest' | 'connected'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly membership: Pick<Membership, 'fingerprint' | 'digest' | 'differenceTo' | 'newsOf'>
  /** Hears what somebody else knows. */
  readonly hear: (news: readonly Rumour[]) => void
}

/**
 * Push and pull: now and then two members compare what they hold of all, so that a rumour which did
 * not reach somebody is made up for. Mostly they find in one short question that they agree.
 */
export class MemberExchange {
  readonly #deps: MemberExchangeDeps
  #cancel = (): void => {}
  #isAsking = false
  #notBeforeMs = 0
  #isStopped = false

  constructor(deps: MemberExchangeDeps) {
    this.#deps = deps
    deps.transport.onRequest(memberSyncProtocol, (from, frame) => this.#answer(from, frame))
    this.#schedule()
  }

  /** A connection is up: after a partition, the other side has much to tell. */
  welcome(node: NodeId): void {
    if (this.#deps.clock.monotonicMs() >= this.#notBeforeMs) this.#start(node)
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel()
  }

  #schedule(): void {
    const { clock, random, transport } = this.#deps
    const members = Math.max(smallCluster, transport.connected().length + 1)
    const fullMs = periodMs * (1 + Math.log2(members / smallCluster))
    this.#cancel = clock.after(fullMs / 2 + random.below(Math.ceil(fullMs)), () => {
      const peers = transport.connected()
      const peer = peers[random.below(Math.max(1, peers.length))]
      if (peer !== undefined) this.#start(peer)
      this.#schedule()
    })
  }

  #start(peer: NodeId): void {
    if (this.#isStopped || this.#isAsking) return
    const { clock, log } = this.#deps
    this.#isAsking = true
    this.#notBeforeMs = clock.monotonicMs() + restMs
    this.#exchange(peer)
      .catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error)
        log.debug({ node: peer, reason }, 'members could not be compared')
      })
      .finally(() => {
        this.#isAsking = false
      })
  }

  async #exchange(peer: NodeId): Promise<void> {
    const { membership, hear } = this.#deps
    const { isSame } = await this.#ask(peer, {
      kind: 'compare',
      fingerprint: membership.fingerprint,
    })
    if (isSame || this.#isStopped) return
    const { news, wanted } = await this.#ask(peer, {
      kind: 'digest',
      digest: membership.digest(),
    })
    if (this.#isStopped) return
    hear(news)
    if (wanted.length === 0) return
    await this.#ask(peer, { kind: 'news', rumours: membership.newsOf(wanted) })
  }

  async #ask(peer: NodeId, question: MemberSyncQuestion): Promise<MemberSyncAnswer> {
    const frame = encodeMemberSyncQuestion(question)
    const reply = await this.#deps.transport.request(peer, memberSyncProtocol, frame, timeoutMs)
    const answer = decodeMemberSyncAnswer(reply)
    if (isRefused(answer)) throw new MeshError({ code: 'membership/bad-answer', ...answer })
    return answer
  }

  async #answer(from: NodeId, frame: Uint8Array): Promise<Uint8Array> {
    const question = decodeMemberSyncQuestion(frame)
    if (isRefused(question)) {
      this.#deps.log.debug({ node: from, ...question }, 'a comparison of members was refused')
      throw new MeshError({ code: 'membership/bad-question' })
    }
    return encodeMemberSyncAnswer(this.#answerTo(question))
  }

  #answerTo(question: MemberSyncQuestion): MemberSyncAnswer {
    const { membership, hear } = this.#deps
    switch (question.kind) {
      case 'compare': {
        const isSame = question.fingerprint === membership.fingerprint
        return { isSame, news: [], wanted: [] }
      }
      case 'digest':
        return { isSame: false, ...membership.differenceTo(question.digest) }
      case 'news':
        if (!this.#isStopped) hear(question.rumours)
        return { isSame: true, news: [], wanted: [] }
      default:
        return unreachable(question)
    }
  }
}
