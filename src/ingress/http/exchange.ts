import type { End } from '../end.ts'
import type { Slab } from '../loop.ts'
import type { ClientEnd } from '../socket-end.ts'
import type { Backend } from './backend.ts'
import { BodyReader, type BodyForm } from './body-reader.ts'
import type { FailureKind } from '../../wire/ingress-counts.ts'
import type { HttpPort } from './http-port.ts'
import type { Outlet } from './outlet.ts'
import type { Verdict } from './own-answer.ts'
import type { RequestHead } from './request-head.ts'
import type { ResponseHead } from './response-head.ts'
import { rewriteInterim, rewriteResponse, type ClientSide } from './rewrite-response.ts'
import { Seeker, type Finder, type NothingCause } from './seeker.ts'
import type { Asker, LossCause, Piece, Upstream } from './upstream.ts'
import type { WaitingFor } from './waits.ts'

/** Why a request got no answer from a task. */
export interface Refusal extends Verdict {
  readonly kind: FailureKind
}

/** The client's connection, as one exchange sees it. */
export interface ExchangeHost {
  readonly client: ClientEnd
  readonly out: Outlet
  /** What the head of this answer has to say about the client's connection. */
  clientSide(head: ResponseHead): ClientSide
  /** The request's body may come, or come on. */
  onReady(): void
  /** Something was passed on. */
  onProgress(): void
  /** No answer has begun. */
  onRefused(refusal: Refusal): void
  /** The answer has begun, and will not be whole. */
  reset(): void
  /** The answer is whole; the request perhaps not. */
  onDone(): void
  /** The two connections are one from here on. */
  onJoined(upstream: End, rest: Piece | null): void
}

/** Of a request that may be sent again, this much of the body is kept. */
const replayBytesMax = 64 * 1024
const attemptsMax = 3

/**
 * One request and its answer: passes both bodies on as they come, and asks another task when that is
 * safe. Reused from request to request of a client's connection.
 */
export class Exchange implements Asker, Finder {
  readonly body = new BodyReader()
  isRunning = false
  /** The final answer's head is on its way to the client. */
  isAnswered = false
  isClientFull = false
  isUpstreamFull = false
  /** Of the answer's body, so far. */
  answerBytes = 0
  /** Whom it was last sent to; stays when it is over. */
  backend: Backend | null = null
  readonly #host: ExchangeHost
  readonly #port: HttpPort
  readonly #seeker: Seeker
  #upstream: Upstream | null = null
  #backend: Backend | null = null
  #head: Uint8Array = noBytes
  readonly #question = { isHead: false, wantsUpgrade: false, maxHeadBytes: 0 }
  #acceptsTrailers = false
  #knowsInterim = false
  #isIdempotent = false
  /** What was sent of the body; null once it is too much to keep. */
  #replay: Uint8Array[] | null = null
  #attempts = 0
  #startedAtMs = 0

  constructor(host: ExchangeHost, port: HttpPort) {
    this.#host = host
    this.#port = port
    this.#seeker = new Seeker(host.client, port, this)
  }

  begin(head: RequestHead, rewritten: Uint8Array, maxHeadBytes: number): void {
    this.isRunning = true
    this.isAnswered = false
    this.isUpstreamFull = false
    this.answerBytes = 0
    this.backend = null
    this.body.begin(head.framing)
    this.#head = rewritten
    this.#question.isHead = head.isHead
    this.#question.wantsUpgrade = head.wantsUpgrade
    this.#question.maxHeadBytes = maxHeadBytes
    this.#acceptsTrailers = head.acceptsTrailers
    this.#knowsInterim = head.minor === 1
    this.#isIdempotent = head.isIdempotent
    this.#replay = head.isIdempotent ? [] : null
    this.#attempts = 1
    this.#startedAtMs = this.#port.deps.clock.monotonicMs()
    this.#port.counters.requests += 1
    this.#port.counters.inFlight += 1
    this.#port.budget.requested()
    this.#seeker.begin(head.isIdempotent)
  }

  /** A task waits for more of the body. */
  get takesBody(): boolean {
    return this.#upstream !== null && !this.body.isDone && !this.isUpstreamFull
  }

  /** What the request waits for, for whoever looks at the clock. */
  get waitsFor(): WaitingFor {
    if (this.#upstream === null) return 'task'
    if (this.isClientFull) return 'client'
    if (this.isUpstreamFull) return 'room'
    if (!this.body.isDone) return 'body'
    return this.isAnswered ? 'answer-body' : 'answer'
  }

  /** Sends on what comes of the request's body; what does not belong to it comes back. */
  feed({ slab, offset, length }: Piece): Piece | 'malformed' | null {
    const { loop } = this.#port.deps
    const memory = loop.memory(slab)
    const end = this.body.read(memory, offset, offset + length)
    if (end === null) {
      loop.release(slab)
      return 'malformed'
    }
    this.#keep(memory)
    const restLength = offset + length - end
    // A copy: the slab goes with the body.
    const rest = restLength === 0 ? null : loop.slabOf(memory.slice(end, offset + length))
    const hasRoom = this.#upstream?.out.forward(slab, this.body) ?? true
    if (!hasRoom) this.isUpstreamFull = true
    return rest === null ? null : { slab: rest, offset: 0, length: restLength }
  }

  /** Nothing more will come of it. */
  abort(kind: FailureKind): void {
    if (!this.isRunning) return
    this.#seeker.cancel()
    this.#upstream?.reset()
    this.#backend?.ejection.abandoned()
    if (kind === 'answer-timeout') this.#blame()
    this.#port.counters.failed(kind)
    this.#backend?.counters.failed(kind)
    this.#end()
  }

  /** The client has taken what it was sent. */
  clientDrained(): void {
    if (!this.isClientFull) return
    this.isClientFull = false
    this.#upstream?.resume()
  }

  onFound(upstream: Upstream, backend: Backend): void {
    this.#upstream = upstream
    this.#backend = backend
    this.backend = backend
    backend.counters.requests += 1
    upstream.ask(this.#question, this)
    upstream.out.head(this.#head)
    for (const piece of this.#replay ?? []) upstream.out.bytes(piece)
    this.#host.onReady()
    // Whatever of the body was there already went along with the head.
    if (this.#upstream === upstream && !upstream.out.flush()) this.isUpstreamFull = true
    if (this.#upstream === upstream) upstream.resume()
  }

  onNothing(because: NothingCause): void {
    this.#refuse(refusals[because])
  }

  onInterim(head: ResponseHead): void {
    if (this.#knowsInterim) this.#host.out.bytes(rewriteInterim(head, this.#port.writer))
  }

  onAnswer(head: ResponseHead): BodyForm {
    this.#count(head.status)
    this.isAnswered = true
    const side = this.#host.clientSide(head)
    this.#host.out.head(rewriteResponse(head, side, this.#port.writer))
    this.#host.onProgress()
    return { keepsChunks: side.knowsChunks, keepsTrailers: this.#acceptsTrailers }
  }

  onAnswerBody(slab: Slab, body: BodyReader): void {
    this.answerBytes = body.dataBytes
    if (!this.#host.out.forward(slab, body)) {
      this.isClientFull = true
      this.#upstream?.pause()
    }
    this.#host.onProgress()
  }

  onAnswered(): void {
    this.#host.out.flush()
    const upstream = this.#upstream
    const backend = this.#backend
    if (upstream !== null && backend !== null) this.#giveBack(upstream, backend)
    this.#end()
    this.#host.onDone()
  }

  onUpgraded(head: ResponseHead, end: End, rest: Piece | null): void {
    this.#count(101)
    this.isAnswered = true
    this.#host.out.head(rewriteResponse(head, this.#host.clientSide(head), this.#port.writer))
    this.#host.out.flush()
    // Counts as in flight for as long as the two are joined.
    this.#upstream = null
    this.#host.onJoined(end, rest)
  }

  /** After `onJoined`, once both ends are closed. */
  left(): void {
    this.#end()
  }

  onRoom(): void {
    if (!this.isUpstreamFull) return
    this.isUpstreamFull = false
    this.#host.onReady()
  }

  onLost(cause: LossCause): void {
    const upstream = this.#upstream
    const backend = this.#backend
    if (upstream === null || backend === null) return
    // To close what was idle is a server's good right, and no sign that it does badly.
    const isFine = upstream.isReused && !upstream.hasAnswerBegun && cause !== 'malformed'
    if (!isFine) this.#blame()
    const isUnanswered = !upstream.hasAnswerBegun && cause !== 'malformed'
    if (isUnanswered && this.#mayRepeat()) {
      this.#repeat(backend, isFine)
      return
    }
    if (this.isAnswered) {
      this.abort('broken-answer')
      this.#host.reset()
    } else this.#refuse(cause === 'malformed' ? refusals.malformed : refusals.lost)
  }

  #count(status: number): void {
    const nowMs = this.#port.deps.clock.monotonicMs()
    const latencyMs = nowMs - this.#startedAtMs
    this.#port.counters.answered(status, latencyMs)
    this.#backend?.counters.answered(status, latencyMs)
    this.#backend?.latency.observe(latencyMs, nowMs)
    this.#backend?.ejection.succeeded()
  }

  #keep(memory: Uint8Array): void {
    const replay = this.#replay
    if (replay === null) return
    if (this.body.dataBytes > replayBytesMax) {
      this.#replay = null
      return
    }
    const { passing, tail } = this.body
    for (let at = 0; at < passing.length; at += 2) {
      replay.push(memory.slice(passing[at] ?? 0, passing[at + 1] ?? 0))
    }
    if (tail !== null) replay.push(tail)
  }

  /** RFC 9110 §9.2.2: what was perhaps done may be done again only if that makes no difference. */
  #mayRepeat(): boolean {
    if (!this.#isIdempotent || this.#replay === null || this.#attempts >= attemptsMax) return false
    return this.#port.budget.take(this.#port.deps.clock.monotonicMs())
  }

  #repeat(backend: Backend, isBackendFine: boolean): void {
    this.#attempts += 1
    this.#port.counters.retries += 1
    backend.counters.retries += 1
    this.#letGo()
    this.isUpstreamFull = false
    this.#seeker.again(backend, isBackendFine)
  }

  #blame(): void {
    const backend = this.#backend
    if (!backend?.ejection.failed(this.#port.deps.clock.monotonicMs(), false)) return
    backend.counters.ejections += 1
    this.#port.counters.ejections += 1
  }

  #giveBack(upstream: Upstream, backend: Backend): void {
    const nowMs = this.#port.deps.clock.monotonicMs()
    const isShared = this.#port.listener?.options.proxyProtocol === 'none'
    const isKept = upstream.isReusable && this.body.isDone && this.#port.isWanted(backend)
    if (isKept && isShared) backend.give(upstream, nowMs)
    else backend.close(upstream, nowMs)
  }

  #refuse(refusal: Refusal): void {
    this.#port.counters.failed(refusal.kind)
    this.#backend?.counters.failed(refusal.kind)
    this.#end()
    this.#host.onRefused(refusal)
  }

  #end(): void {
    if (!this.isRunning) return
    this.isRunning = false
    this.isUpstreamFull = false
    this.#port.counters.inFlight -= 1
    this.#letGo()
    this.#replay = null
    this.#head = noBytes
  }

  #letGo(): void {
    if (this.#backend !== null) this.#backend.counters.inFlight -= 1
    this.#backend = null
    this.#upstream = null
  }
}

const noBytes = new Uint8Array(0)

const refusals = {
  'no-service': { status: 404, because: 'no service here any more', kind: 'no-task' },
  'no-task': { status: 503, because: 'no task of this service is ready', kind: 'no-task' },
  connect: { status: 502, because: 'no task accepts a connection', kind: 'connect' },
  lost: { status: 502, because: 'the task went away unanswered', kind: 'broken-answer' },
  malformed: { status: 502, because: 'the task sent no valid answer', kind: 'broken-answer' },
} as const satisfies Record<string, Refusal>
