import type { Clock } from '../base/clock.ts'
import { MeshError } from '../base/mesh-error.ts'
import type { RaftId, ReadState } from '../raft/types.ts'

const barrierTimeoutMs = 4000
/** Requests and answers may be lost, with their leader or without. */
const askAgainMs = 200
const waitingMax = 10_000
const questionsKept = 64

export interface ReadsDeps {
  readonly clock: Clock
  readonly raftId: RaftId
  /** Tells the questions of this process from those of the one before it. */
  readonly boot: number
  readonly ask: (context: Uint8Array) => void
  readonly appliedIndex: () => number
  /** Why no question gets an answer now; null when they do. */
  readonly standstill: () => MeshError | null
  readonly unreachable: () => readonly string[]
}

interface Waiter {
  readonly deadlineMs: number
  readonly settled: PromiseWithResolvers<void>
  /** Applied up to here, it may go; null while nobody has said. */
  index: number | null
}

/** Linearizable reads: all barriers of one moment share one ReadIndex question. */
export class Reads {
  readonly #deps: ReadsDeps
  readonly #waiters = new Set<Waiter>()
  /** Who waited when each question was asked, oldest first. */
  readonly #questions = new Map<number, readonly Waiter[]>()
  #asked = 0
  #unasked = false
  #lastAskedMs = 0

  constructor(deps: ReadsDeps) {
    this.#deps = deps
  }

  barrier(): Promise<void> {
    if (this.#waiters.size >= waitingMax) {
      return Promise.reject(new MeshError({ code: 'raft/overloaded', waiting: waitingMax }))
    }
    const deadlineMs = this.#deps.clock.monotonicMs() + barrierTimeoutMs
    const settled = Promise.withResolvers<void>()
    this.#waiters.add({ deadlineMs, settled, index: null })
    this.#unasked = true
    return settled.promise
  }

  /** Asks for those who came since the last time; called before each turn of Raft. */
  askIfNeeded(): void {
    if (this.#unasked) this.#ask()
  }

  answered(states: readonly ReadState[]): void {
    for (const { context, index } of states) {
      const number = this.#numberIn(context)
      const waiters = this.#questions.get(number ?? -1) ?? []
      this.#questions.delete(number ?? -1)
      for (const waiter of waiters) waiter.index ??= index
    }
  }

  /** Lets go whoever may; called after applying. */
  release(): void {
    const applied = this.#deps.appliedIndex()
    for (const waiter of this.#waiters) {
      if (waiter.index === null || waiter.index > applied) continue
      this.#waiters.delete(waiter)
      waiter.settled.resolve()
    }
  }

  tick(): void {
    const nowMs = this.#deps.clock.monotonicMs()
    for (const waiter of this.#waiters) {
      if (nowMs >= waiter.deadlineMs) this.#expire(waiter)
    }
    const isAnyUnanswered = [...this.#waiters].some((waiter) => waiter.index === null)
    if (isAnyUnanswered && nowMs - this.#lastAskedMs >= askAgainMs) this.#ask()
  }

  stop(): void {
    for (const waiter of this.#waiters) this.#expire(waiter)
  }

  #ask(): void {
    this.#unasked = false
    this.#lastAskedMs = this.#deps.clock.monotonicMs()
    const number = ++this.#asked
    this.#questions.set(
      number,
      [...this.#waiters].filter((waiter) => waiter.index === null),
    )
    for (const [oldest] of this.#questions) {
      if (this.#questions.size <= questionsKept) break
      this.#questions.delete(oldest)
    }
    this.#deps.ask(this.#contextOf(number))
  }

  /** Unique in the whole group: the leader takes equal contexts for one question. */
  #contextOf(number: number): Uint8Array {
    const context = new Uint8Array(20)
    const view = new DataView(context.buffer)
    view.setBigUint64(0, BigInt(this.#deps.raftId))
    view.setUint32(8, this.#deps.boot)
    view.setBigUint64(12, BigInt(number))
    return context
  }

  #numberIn(context: Uint8Array): number | null {
    if (context.length !== 20) return null
    const view = new DataView(context.buffer, context.byteOffset, context.byteLength)
    const isOurs = view.getUint32(8) === this.#deps.boot
    return isOurs ? Number(view.getBigUint64(12)) : null
  }

  #expire(waiter: Waiter): void {
    this.#waiters.delete(waiter)
    const { unreachable, standstill } = this.#deps
    const noLeader = { code: 'raft/no-leader', unreachable: unreachable() }
    waiter.settled.reject(standstill() ?? new MeshError(noLeader))
  }
}
