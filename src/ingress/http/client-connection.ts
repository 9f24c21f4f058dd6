import type { CloseCause, Slab } from '../loop.ts'
import type { End, EndHandler } from '../end.ts'
import { Junction } from '../junction.ts'
import type { ClientEnd } from '../socket-end.ts'
import type { Listener } from '../../routing/route-table.ts'
import type { FailureKind } from './counters.ts'
import { Exchange, type ExchangeHost, type Refusal } from './exchange.ts'
import { HeadIntake } from './head-intake.ts'
import type { HttpPort } from './http-port.ts'
import { ascii } from './octets.ts'
import { Outlet } from './outlet.ts'
import { encodeOwnAnswer, headProblems, type OwnStatus } from './own-answer.ts'
import type { RequestHead } from './request-head.ts'
import type { ResponseHead } from './response-head.ts'
import { isLoop, rewriteRequest, type Hop } from './rewrite-request.ts'
import type { ClientSide } from './rewrite-response.ts'
import type { Piece } from './upstream.ts'

/**
 * `idle`: between requests. `discarding`: the answer is complete, the request's body not yet.
 * `lingering`: we have said our last, and wait for the client to have read it.
 */
type Phase = 'idle' | 'head' | 'exchange' | 'discarding' | 'lingering' | 'joined' | 'over'

/** A client that has said its last may listen, or be gone; as long as it takes bytes it is there. */
const halfClosedQuietMs = 1000
const lingerMs = 2000
/** Beyond what `Keep-Alive` promises: a request on its way meets an open connection. */
const keepAliveGraceMs = 2000
const endingIdleMs = 1000
const heldBytesMax = 1024 * 1024
const discardedBytesMax = 1024 * 1024
const defaultIdleMs = 3_600_000
/** A joined connection is looked at this often in its idle time. */
const joinedLooks = 4
const closeField = ascii('Connection: close\r\n')

/** A client's connection: one request after the other, answered in their order. */
export class ClientConnection implements EndHandler, ExchangeHost {
  readonly client: ClientEnd
  readonly out: Outlet
  /** When something is to happen if nothing else does. */
  deadlineMs = Number.POSITIVE_INFINITY
  readonly #port: HttpPort
  readonly #onFinished: (connection: ClientConnection) => void
  readonly #hop: Hop
  readonly #exchange: Exchange
  readonly #intake = new HeadIntake()
  readonly #held: Piece[] = []
  readonly #side = { knowsChunks: true, staysOpen: true, keepAlive: closeField }
  #heldBytes = 0
  #head: RequestHead | null = null
  #junction: Junction | null = null
  #listener: Listener
  #phase: Phase = 'idle'
  #requestId = ''
  #isHeadRequest = false
  #minor = 1
  #wantsKeepAlive = true
  #expectsContinue = false
  #staysOpen = true
  #requests = 0
  #discardedBytes = 0
  #isReading = false
  #isPumping = false
  #isClientEnded = false
  #headStartedMs = 0

  constructor(
    given: { readonly client: ClientEnd; readonly listener: Listener; readonly hop: Hop },
    port: HttpPort,
    onFinished: (connection: ClientConnection) => void,
  ) {
    this.client = given.client
    this.#listener = given.listener
    this.#hop = given.hop
    this.#port = port
    this.#onFinished = onFinished
    this.out = new Outlet(given.client, port.deps.loop)
    this.#exchange = new Exchange(this, port)
    given.client.setHandler(this)
  }

  start(): void {
    this.#settle()
  }

  /** The ingress ends: whoever is idle is let go soon. */
  finish(): void {
    this.#arm()
  }

  reset(): void {
    if (this.#phase === 'over') return
    this.#exchange.abort('client-gone')
    if (this.#junction === null) this.client.reset()
    else this.#junction.reset('reset')
    this.#finish()
  }

  onReceive(_end: End, slab: Slab, offset: number, length: number): void {
    if (this.#phase === 'over' || this.#phase === 'lingering') {
      this.#port.deps.loop.release(slab)
      return
    }
    this.#held.push({ slab, offset, length })
    this.#heldBytes += length
    if (this.#heldBytes > heldBytesMax) this.reset()
    else this.#settle()
  }

  onEnd(): void {
    this.#isClientEnded = true
    this.#settle()
  }

  onDrained(): void {
    this.#exchange.clientDrained()
    this.#settle()
  }

  onClosed(_end: End, _cause: CloseCause): void {
    this.#exchange.abort('client-gone')
    this.#finish()
  }

  clientSide(head: ResponseHead): ClientSide {
    const side = this.#side
    side.knowsChunks = this.#minor === 1
    const { body } = this.#exchange
    // A client that was told the end before it was told to go on may send its body, or not.
    const isInDoubt = this.#expectsContinue && body.dataBytes === 0 && !body.isDone
    const endsByClose =
      head.framing.kind === 'until-close' || (head.framing.kind === 'chunked' && !side.knowsChunks)
    this.#staysOpen &&= !endsByClose && !isInDoubt && !this.#port.isEnding
    side.staysOpen = this.#staysOpen
    side.keepAlive = this.#port.keepAlive(this.#listener.options)
    return side
  }

  onReady(): void {
    this.#settle()
  }

  onProgress(): void {
    this.#arm()
  }

  onRefused({ status, because }: Refusal): void {
    this.#answer(status, because, this.#exchange.body.isDone)
  }

  onTruncated(): void {
    this.reset()
  }

  onDone(): void {
    if (!this.#staysOpen) this.#linger()
    else if (this.#exchange.body.isDone) this.#phase = 'idle'
    else {
      this.#phase = 'discarding'
      this.#discardedBytes = 0
    }
    this.#settle()
  }

  onJoined(upstream: End, rest: Piece | null): void {
    this.#phase = 'joined'
    const junction = new Junction(
      { left: this.client, right: upstream },
      {
        onFinished: () => {
          this.#exchange.left()
          this.#finish()
        },
      },
    )
    this.#junction = junction
    if (rest !== null) this.client.send(rest.slab, rest.offset, rest.length)
    for (const piece of this.#held.splice(0)) {
      upstream.send(piece.slab, piece.offset, piece.length)
    }
    this.#heldBytes = 0
    junction.start()
    if (this.#isClientEnded) upstream.shutdown()
    this.#arm()
  }

  /** `deadlineMs` has passed. */
  expire(): void {
    switch (this.#phase) {
      case 'idle':
        return this.#linger()
      case 'head':
        this.#port.counters.failed('client-timeout')
        return this.#answer(408, 'the head took too long', false)
      case 'exchange':
        return this.#expireExchange()
      case 'joined':
        return this.#expireJoined()
      case 'discarding':
      case 'lingering':
        return this.reset()
      case 'over':
    }
  }

  /** Reads what there is to read, then sees to it that more comes when it is wanted. */
  #settle(): void {
    if (this.#isPumping) return
    this.#isPumping = true
    while (this.#takesMore()) {
      const piece = this.#held.shift()
      if (piece === undefined) break
      this.#heldBytes -= piece.length
      this.#read(piece)
    }
    this.#isPumping = false
    if (this.#isClientEnded && this.#held.length === 0) this.#afterClientEnd()
    if (this.#phase === 'over' || this.#phase === 'joined') return
    this.#regulate()
    this.#arm()
  }

  #takesMore(): boolean {
    if (this.#phase === 'exchange') return this.#exchange.takesBody
    return this.#phase === 'idle' || this.#phase === 'head' || this.#phase === 'discarding'
  }

  #read(piece: Piece): void {
    switch (this.#phase) {
      case 'idle':
      case 'head':
        return this.#readHead(piece)
      case 'exchange':
        return this.#readBody(piece)
      default:
        return this.#discard(piece)
    }
  }

  /** A client that goes away is noticed only while it is read from. */
  #regulate(): void {
    const wantsMore = this.#held.length === 0 && !this.#exchange.isUpstreamFull
    if (wantsMore === this.#isReading) return
    this.#isReading = wantsMore
    if (wantsMore) this.client.resume()
    else this.client.pause()
  }

  #readHead(piece: Piece): void {
    const { heads, deps } = this.#port
    const { maxHeadBytes } = this.#listener.options
    const head = (this.#head ??= heads.takeRequest())
    if (this.#phase === 'idle') {
      this.#phase = 'head'
      this.#headStartedMs = deps.clock.monotonicMs()
      head.begin(maxHeadBytes)
      this.#intake.begin(maxHeadBytes)
    }
    const to = piece.offset + piece.length
    const progress = this.#intake.feed(head, deps.loop.memory(piece.slab), [piece.offset, to])
    if (progress === 'whole') {
      this.#take(head, piece.slab, to)
      return
    }
    deps.loop.release(piece.slab)
    if (progress === 'more') return
    this.#port.counters.failed('bad-request')
    this.#requestId = this.#port.nextRequestId()
    this.#isHeadRequest = false
    const status = head.problem === 0 ? 400 : head.problem
    this.#answer(status, headProblems[status], false)
  }

  /** A head is whole: everything that is needed of it leaves it now, and the slab with it. */
  #take(head: RequestHead, slab: Slab, to: number): void {
    const { heads, writer } = this.#port
    const { endsAt } = this.#intake
    this.#requests += 1
    this.#requestId = this.#port.nextRequestId()
    this.#listener = this.#port.listener ?? this.#listener
    this.#isHeadRequest = head.isHead
    this.#minor = head.minor
    this.#wantsKeepAlive = head.wantsKeepAlive
    this.#staysOpen = head.wantsKeepAlive
    this.#expectsContinue = head.expectsContinue
    const refusal = this.#refusalOf(head)
    const rewritten =
      refusal === null
        ? rewriteRequest(head, this.#hop, { writer, requestId: this.#requestId })
        : null
    if (endsAt < to) this.#holdFirst({ slab, offset: endsAt, length: to - endsAt })
    else this.#port.deps.loop.release(slab)
    this.#head = null
    this.#intake.forget()
    if (rewritten !== null) {
      this.#phase = 'exchange'
      this.#exchange.begin(head, rewritten, this.#listener.options.maxHeadBytes)
    } else if (refusal !== null) {
      this.#port.counters.failed('bad-request')
      this.#answer(refusal.status, refusal.because, !head.hasBody)
    }
    heads.giveRequest(head)
  }

  #refusalOf(head: RequestHead): { readonly status: OwnStatus; readonly because: string } | null {
    const { maxBodyBytes } = this.#listener.options
    const { framing } = head
    if (isLoop(head, this.#hop.via)) {
      return { status: 508, because: 'this request has been here before' }
    }
    if (head.maxForwards === 0) return { status: 200, because: 'this is as far as it goes' }
    if (maxBodyBytes === null || framing.kind !== 'length') return null
    return framing.bytes > maxBodyBytes ? tooLarge : null
  }

  #readBody(piece: Piece): void {
    const rest = this.#exchange.feed(piece)
    if (rest === 'malformed') {
      this.#port.counters.failed('bad-request')
      this.#giveUp(400, 'the body is malformed', 'bad-request')
      return
    }
    if (rest !== null) this.#holdFirst(rest)
    const { maxBodyBytes } = this.#listener.options
    if (maxBodyBytes !== null && this.#exchange.body.dataBytes > maxBodyBytes) {
      this.#giveUp(tooLarge.status, tooLarge.because, 'bad-request')
    }
  }

  #discard({ slab, offset, length }: Piece): void {
    const { loop } = this.#port.deps
    const { body } = this.#exchange
    const to = offset + length
    const end = body.read(loop.memory(slab), offset, to)
    this.#discardedBytes += length
    if (end === null || this.#discardedBytes > discardedBytesMax) {
      loop.release(slab)
      this.#linger()
      return
    }
    if (end < to) this.#holdFirst({ slab, offset: end, length: to - end })
    else loop.release(slab)
    if (body.isDone) this.#phase = 'idle'
  }

  #holdFirst(piece: Piece): void {
    this.#held.unshift(piece)
    this.#heldBytes += piece.length
  }

  /** FIN came, and everything before it has been read. */
  #afterClientEnd(): void {
    this.#staysOpen = false
    switch (this.#phase) {
      case 'idle':
      case 'head':
      case 'discarding':
        return this.#linger()
      case 'exchange':
        if (this.#exchange.body.isDone) return
        return this.#giveUp(400, 'the body was cut short', 'client-gone')
      case 'lingering':
      case 'joined':
      case 'over':
    }
  }

  #expireExchange(): void {
    if (this.#isClientEnded) return this.reset()
    switch (this.#exchange.waitsFor) {
      case 'body':
        return this.#giveUp(408, 'the body took too long', 'client-timeout')
      case 'client':
        this.#exchange.abort('client-timeout')
        return this.reset()
      case 'room':
      case 'answer':
      case 'answer-body':
        return this.#giveUp(504, 'the task took too long', 'answer-timeout')
      case 'task':
    }
  }

  #expireJoined(): void {
    if ((this.#junction?.countQuietLooks() ?? 0) > joinedLooks) this.reset()
    else this.#arm()
  }

  /** What has begun to be answered cannot be answered otherwise: only a reset says so. */
  #giveUp(status: OwnStatus, because: string, kind: FailureKind): void {
    const { isAnswered } = this.#exchange
    this.#exchange.abort(kind)
    if (isAnswered) this.reset()
    else this.#answer(status, because, this.#exchange.body.isDone)
  }

  #answer(status: OwnStatus, because: string, mayStay: boolean): void {
    const stays = mayStay && this.#wantsKeepAlive && !this.#isClientEnded && !this.#port.isEnding
    const connection = stays ? this.#port.keepAlive(this.#listener.options) : closeField
    const answer = { status, because, requestId: this.#requestId, connection }
    this.out.bytes(encodeOwnAnswer({ ...answer, isHead: this.#isHeadRequest }))
    if (stays) this.#phase = 'idle'
    else this.#linger()
    this.#settle()
  }

  #linger(): void {
    if (this.#phase === 'over') return
    this.#phase = 'lingering'
    this.#dropHeld()
    this.deadlineMs = this.#port.deps.clock.monotonicMs() + lingerMs
    this.client.shutdown()
    this.client.resume()
  }

  #arm(): void {
    const nowMs = this.#port.deps.clock.monotonicMs()
    const { options } = this.#listener
    switch (this.#phase) {
      case 'idle':
        this.deadlineMs = nowMs + this.#idleMs()
        return
      case 'head':
        this.deadlineMs = this.#headStartedMs + options.headTimeoutMs
        return
      case 'exchange':
        this.deadlineMs = nowMs + this.#exchangeMs()
        return
      case 'discarding':
        this.deadlineMs = nowMs + options.bodyTimeoutMs
        return
      case 'joined':
        this.deadlineMs = nowMs + (options.idleTimeoutMs ?? defaultIdleMs) / joinedLooks
        return
      case 'lingering':
      case 'over':
    }
  }

  #idleMs(): number {
    const { headTimeoutMs, keepAliveTimeoutMs } = this.#listener.options
    if (this.#port.isEnding) return endingIdleMs
    return this.#requests === 0 ? headTimeoutMs : keepAliveTimeoutMs + keepAliveGraceMs
  }

  #exchangeMs(): number {
    const waitMs = this.#waitMs()
    return this.#isClientEnded ? Math.min(waitMs, halfClosedQuietMs) : waitMs
  }

  #waitMs(): number {
    const { bodyTimeoutMs, answerTimeoutMs, idleTimeoutMs } = this.#listener.options
    switch (this.#exchange.waitsFor) {
      case 'task':
        // The search has limits of its own.
        return Number.POSITIVE_INFINITY
      case 'body':
      case 'client':
        return bodyTimeoutMs
      case 'room':
      case 'answer':
        return answerTimeoutMs
      case 'answer-body':
        return idleTimeoutMs ?? defaultIdleMs
    }
  }

  #dropHeld(): void {
    for (const { slab } of this.#held.splice(0)) this.#port.deps.loop.release(slab)
    this.#heldBytes = 0
  }

  #finish(): void {
    if (this.#phase === 'over') return
    this.#phase = 'over'
    this.deadlineMs = Number.POSITIVE_INFINITY
    this.#dropHeld()
    if (this.#head !== null) this.#port.heads.giveRequest(this.#head)
    this.#head = null
    this.#onFinished(this)
  }
}

const tooLarge = { status: 413, because: 'the body is larger than this service takes' } as const
