import type { CloseCause, Slab } from '../loop.ts'
import type { End, EndHandler } from '../end.ts'
import { Junction } from '../junction.ts'
import type { ClientEnd } from '../socket-end.ts'
import type { Listener, ListenerOptions } from '../../routing/route-table.ts'
import type { FailureKind } from '../../wire/ingress-counts.ts'
import { AccessNote } from './access-note.ts'
import { dropBody } from './drop-body.ts'
import { Exchange, type ExchangeHost, type Refusal } from './exchange.ts'
import { HeldPieces } from './held-pieces.ts'
import type { HttpPort } from './http-port.ts'
import { ascii } from './octets.ts'
import { Outlet } from './outlet.ts'
import { encodeOwnAnswer, headProblems, verdicts, type Verdict } from './own-answer.ts'
import type { RequestHead } from './request-head.ts'
import { RequestIntake } from './request-intake.ts'
import type { ResponseHead } from './response-head.ts'
import { refusalOf } from './request-rules.ts'
import { rewriteRequest, type Hop } from './rewrite-request.ts'
import type { ClientSide } from './rewrite-response.ts'
import type { Piece } from './upstream.ts'
import { exchangeWaitMs, idleWaitMs, joinedWaitMs, lastWaitMs } from './waits.ts'

/**
 * `idle`: between requests. `discarding`: the answer is complete, the request's body not yet.
 * `lingering`: we have said our last, and wait for the client to have read it.
 */
type Phase = 'idle' | 'head' | 'exchange' | 'discarding' | 'lingering' | 'joined' | 'over'

const lingerMs = 2000
const heldBytesMax = 1024 * 1024
const discardedBytesMax = 1024 * 1024
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
  readonly #intake: RequestIntake
  readonly #note: AccessNote
  readonly #held: HeldPieces
  readonly #side = { knowsChunks: true, staysOpen: true, keepAlive: closeField }
  #junction: Junction | null = null
  #listener: Listener
  #phase: Phase = 'idle'
  #requestId = ''
  #isHeadRequest = false
  #minor = 1
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
    this.#held = new HeldPieces(port.deps.loop)
    this.#exchange = new Exchange(this, port)
    this.#intake = new RequestIntake(port.deps.loop, port.heads)
    this.#note = new AccessNote(port, this.#exchange, given.client.remoteAddress.host)
    given.client.setHandler(this)
  }

  start(): void {
    this.#settle()
  }

  /** The ingress ends: whoever is idle is let go soon. */
  finish(): void {
    this.#arm()
  }

  /** Also how a client hears that an answer will not be whole. */
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
    if (this.#held.bytes > heldBytesMax) this.reset()
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
    this.#note.answered(head.status)
    return side
  }

  onReady(): void {
    this.#settle()
  }

  onProgress(): void {
    this.#arm()
  }

  onRefused(refusal: Refusal): void {
    this.#answer(refusal, this.#exchange.body.isDone)
  }

  onDone(): void {
    this.#note.end(true)
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
    const onFinished = (): void => {
      this.#exchange.left()
      this.#finish()
    }
    this.#junction = new Junction({ left: this.client, right: upstream }, { onFinished })
    if (rest !== null) this.client.send(rest.slab, rest.offset, rest.length)
    this.#held.sendTo(upstream)
    this.#junction.start()
    if (this.#isClientEnded) upstream.shutdown()
    this.#arm()
  }

  /** `deadlineMs` has passed. */
  expire(): void {
    switch (this.#phase) {
      case 'idle':
        return this.#linger()
      case 'head':
        return this.#refuseHead(verdicts.slowHead, 'client-timeout')
      case 'exchange':
        return this.#expireExchange()
      case 'joined':
        // The junction counts looks between which nothing has passed.
        if ((this.#junction?.countQuietLooks() ?? 0) > joinedLooks) this.reset()
        return this.#arm()
      case 'discarding':
        return this.#linger()
      case 'lingering':
        this.client.close()
        return this.#finish()
      case 'over':
    }
  }

  /** Reads what there is to read, then sees to it that more comes when it is wanted. */
  #settle(): void {
    if (this.#isPumping) return
    this.#isPumping = true
    while (this.#takesMore()) {
      const piece = this.#held.take()
      if (piece === undefined) break
      this.#read(piece)
    }
    this.#isPumping = false
    if (this.#isClientEnded && this.#held.isEmpty) this.#afterClientEnd()
    if (this.#phase === 'over' || this.#phase === 'joined') return
    this.#regulate()
    this.#arm()
  }

  #takesMore(): boolean {
    if (this.#phase === 'exchange') return this.#exchange.takesBody
    if (this.#phase === 'discarding') return true
    // Whoever does not read its answers is asked for no further question.
    return (this.#phase === 'idle' || this.#phase === 'head') && !this.#exchange.isClientFull
  }

  #read(piece: Piece): void {
    if (this.#phase === 'exchange') this.#readBody(piece)
    else if (this.#phase === 'discarding') this.#discard(piece)
    else this.#readHead(piece)
  }

  /** A client that goes away is noticed only while it is read from. */
  #regulate(): void {
    const wantsMore = this.#held.isEmpty && !this.#exchange.isUpstreamFull
    if (wantsMore === this.#isReading) return
    this.#isReading = wantsMore
    if (wantsMore) this.client.resume()
    else this.client.pause()
  }

  #readHead(piece: Piece): void {
    if (this.#phase === 'idle') {
      this.#phase = 'head'
      this.#headStartedMs = this.#port.deps.clock.monotonicMs()
      this.#intake.begin(this.#listener.options.maxHeadBytes)
    }
    const progress = this.#intake.feed(piece)
    if (progress === 'whole') return this.#take(this.#intake.head, piece)
    this.#port.deps.loop.release(piece.slab)
    if (progress === 'more') return
    const status = this.#intake.head.problem || 400
    this.#refuseHead({ status, because: headProblems[status] }, 'bad-request')
  }

  /** It is not whole, or none at all. */
  #refuseHead(verdict: Verdict, kind: FailureKind): void {
    this.#requestId = this.#port.nextRequestId()
    this.#isHeadRequest = false
    this.#note.begin(this.#requestId, this.#listener, null)
    this.#port.counters.failed(kind)
    this.#answer(verdict, false)
  }

  /** A head is whole: all that is needed of it leaves it now, before its slab goes. */
  #take(head: RequestHead, piece: Piece): void {
    this.#requests += 1
    this.#requestId = this.#port.nextRequestId()
    this.#listener = this.#port.listener ?? this.#listener
    this.#isHeadRequest = head.isHead
    this.#minor = head.minor
    this.#staysOpen = head.wantsKeepAlive
    this.#expectsContinue = head.expectsContinue
    const { options } = this.#listener
    const refusal = refusalOf(head, this.#hop.via, options)
    const given = { writer: this.#port.writer, requestId: this.#requestId }
    const rewritten = rewriteRequest(head, this.#hop, given)
    const rest = this.#intake.restOf(piece)
    if (rest !== null) this.#held.putBack(rest)
    this.#note.begin(this.#requestId, this.#listener, head)
    if (refusal === null) {
      this.#phase = 'exchange'
      this.#note.passedOn()
      this.#exchange.begin(head, rewritten, options.maxHeadBytes)
    } else {
      this.#port.counters.failed('bad-request')
      this.#answer(refusal, !head.hasBody)
    }
    this.#intake.forget()
  }

  #readBody(piece: Piece): void {
    const rest = this.#exchange.feed(piece)
    if (rest === 'malformed') return this.#giveUp(verdicts.badBody, 'bad-request')
    if (rest !== null) this.#held.putBack(rest)
    const { maxBodyBytes } = this.#listener.options
    if (maxBodyBytes !== null && this.#exchange.body.dataBytes > maxBodyBytes) {
      this.#giveUp(verdicts.tooLarge, 'bad-request')
    }
  }

  #discard(piece: Piece): void {
    const { body } = this.#exchange
    const rest = dropBody(body, piece, this.#port.deps.loop)
    this.#discardedBytes += piece.length
    if (rest !== null && rest !== 'malformed') this.#held.putBack(rest)
    if (rest === 'malformed' || this.#discardedBytes > discardedBytesMax) this.#linger()
    else if (body.isDone) this.#phase = 'idle'
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
        return this.#giveUp(verdicts.shortBody, 'client-gone')
      case 'lingering':
      case 'joined':
      case 'over':
    }
  }

  #expireExchange(): void {
    if (this.#isClientEnded) return this.reset()
    switch (this.#exchange.waitsFor) {
      case 'body':
        return this.#giveUp(verdicts.slowBody, 'client-timeout')
      case 'client':
        this.#exchange.abort('client-timeout')
        return this.reset()
      case 'room':
      case 'answer':
      case 'answer-body':
        return this.#giveUp(verdicts.slowTask, 'answer-timeout')
      case 'task':
    }
  }

  /** What has begun to be answered cannot be answered otherwise: only a reset says so. */
  #giveUp(verdict: Verdict, kind: FailureKind): void {
    const { isAnswered } = this.#exchange
    this.#exchange.abort(kind)
    if (isAnswered) this.reset()
    else this.#answer(verdict, this.#exchange.body.isDone)
  }

  #answer({ status, because }: Verdict, mayStay: boolean): void {
    const stays = mayStay && this.#staysOpen && !this.#isClientEnded && !this.#port.isEnding
    const connection = stays ? this.#port.keepAlive(this.#listener.options) : closeField
    const answer = { status, because, requestId: this.#requestId, connection }
    this.out.bytes(encodeOwnAnswer({ ...answer, isHead: this.#isHeadRequest }))
    this.#note.answered(status)
    this.#note.end(true)
    if (stays) this.#phase = 'idle'
    else this.#linger()
    this.#settle()
  }

  #linger(): void {
    if (this.#phase === 'over') return
    this.#phase = 'lingering'
    this.#held.drop()
    this.deadlineMs = this.#port.deps.clock.monotonicMs() + lingerMs
    this.client.shutdown()
    this.client.resume()
  }

  /** The whole of a head has one time, everything else starts again with each sign of life. */
  #arm(): void {
    const { options } = this.#listener
    if (this.#phase === 'lingering' || this.#phase === 'over') return
    this.deadlineMs = this.#port.deps.clock.monotonicMs() + this.#waitMs(options)
    if (this.#phase === 'head') this.deadlineMs = this.#headStartedMs + options.headTimeoutMs
  }

  #waitMs(options: ListenerOptions): number {
    if (this.#phase === 'discarding') return options.bodyTimeoutMs
    if (this.#phase === 'joined') return joinedWaitMs(options) / joinedLooks
    if (this.#phase === 'exchange') {
      const waitMs = this.#isClientEnded ? lastWaitMs : exchangeWaitMs
      return waitMs(options, this.#exchange.waitsFor)
    }
    return idleWaitMs(options, { isNew: this.#requests === 0, isEnding: this.#port.isEnding })
  }

  #finish(): void {
    if (this.#phase === 'over') return
    this.#note.end(this.#phase === 'joined')
    this.#phase = 'over'
    this.deadlineMs = Number.POSITIVE_INFINITY
    this.#held.drop()
    this.#intake.forget()
    this.#onFinished(this)
  }
}
