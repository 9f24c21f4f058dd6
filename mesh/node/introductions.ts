import type { Clock } from '../base/clock.ts'
import type { NodeId } from '../base/ids.ts'
import { MeshError } from '../base/mesh-error.ts'
import type { Transport } from '../transport/transport.ts'
import { indexesSkipped } from './survive-alone.ts'
import { isRefused } from '../wire/frames.ts'
import {
  decodeAnswer,
  decodeQuestion,
  encodeAnswer,
  encodeQuestion,
} from '../wire/introduction-message.ts'

const introduceProtocol = '/mesh/introduce/1'
const askAgainMs = 300
const answerTimeoutMs = 1000
const introducedMax = 64
const doubtEveryMs = 3000

export interface IntroductionsDeps {
  readonly self: NodeId
  readonly transport: Transport
  readonly clock: Clock
  readonly isManager: (node: NodeId) => boolean
  readonly appliedIndex: () => number
}

/**
 * A manager that was away knows only the managers of its time. When one that came later leads, it
 * must be heard, or the one that was away could never learn of it: so those that are known are
 * asked. Their word holds until our own catalog is as new as theirs.
 */
export class Introductions {
  readonly #deps: IntroductionsDeps
  /** With the index of the catalog that named them. */
  readonly #introduced = new Map<NodeId, number>()
  readonly #stopDoubting: () => void
  #askedAtMs = -Infinity
  #isForsaken = false

  constructor(deps: IntroductionsDeps) {
    this.#deps = deps
    this.#stopDoubting = deps.clock.every(doubtEveryMs, () => this.#doubt())
    deps.transport.onRequest(introduceProtocol, (_from, frame) => this.#answer(frame))
  }

  /** A survivor went on without us: whatever we agree on with others who do not know counts nothing. */
  get isForsaken(): boolean {
    return this.#isForsaken
  }

  stop(): void {
    this.#stopDoubting()
  }

  isIntroduced(node: NodeId): boolean {
    return (this.#introduced.get(node) ?? 0) > this.#deps.appliedIndex()
  }

  /** Asks all managers that can be reached, but not too often: a stranger may be persistent. */
  askAbout(node: NodeId): void {
    const { transport, clock, isManager } = this.#deps
    const nowMs = clock.monotonicMs()
    if (nowMs - this.#askedAtMs < askAgainMs) return
    this.#askedAtMs = nowMs
    const known = transport.connected().filter((peer) => peer !== node && isManager(peer))
    for (const peer of known) this.#ask(peer, node)
  }

  #doubt(): void {
    const { transport, self, isManager } = this.#deps
    const known = transport.connected().filter((peer) => peer !== self && isManager(peer))
    for (const peer of known) this.#askAboutSelf(peer)
  }

  /** Only a recovery skips that many indexes; who was merely demoted is told by the log. */
  #askAboutSelf(peer: NodeId): void {
    const { transport, self, appliedIndex } = this.#deps
    const question = encodeQuestion({ node: self })
    transport.request(peer, introduceProtocol, question, answerTimeoutMs).then(
      (frame) => {
        const answer = decodeAnswer(frame)
        if (isRefused(answer) || answer.isManager) return
        if (answer.index - appliedIndex() > indexesSkipped / 2) this.#isForsaken = true
      },
      () => {
        // It will be asked again.
      },
    )
  }

  #ask(peer: NodeId, node: NodeId): void {
    const { transport, isManager } = this.#deps
    transport.request(peer, introduceProtocol, encodeQuestion({ node }), answerTimeoutMs).then(
      (frame) => {
        const answer = decodeAnswer(frame)
        if (isRefused(answer) || !answer.isManager || !isManager(peer)) return
        if (this.#introduced.size >= introducedMax) this.#introduced.clear()
        const before = this.#introduced.get(node) ?? 0
        this.#introduced.set(node, Math.max(before, answer.index))
      },
      () => {
        // Another one may know; the stranger will speak again.
      },
    )
  }

  #answer(frame: Uint8Array): Promise<Uint8Array> {
    const question = decodeQuestion(frame)
    if (isRefused(question)) {
      return Promise.reject(new MeshError({ code: 'raft/malformed', reason: question.refused }))
    }
    const isManager = this.#deps.isManager(question.node)
    return Promise.resolve(encodeAnswer({ isManager, index: this.#deps.appliedIndex() }))
  }
}
