import type { End, EndHandler } from '../end.ts'
import type { CloseCause, Loop, Slab } from '../loop.ts'
import { BodyReader, type BodyForm } from './body-reader.ts'
import { HeadIntake } from './head-intake.ts'
import { Outlet } from './outlet.ts'
import type { HeadPool } from './head-pool.ts'
import type { ResponseHead } from './response-head.ts'

/** Bytes of a slab, which belong to whoever holds them. */
export interface Piece {
  readonly slab: Slab
  readonly offset: number
  readonly length: number
}

/** `closed` in order, `reset`, or `malformed`: what came was no answer. */
export type LossCause = 'closed' | 'reset' | 'malformed'

/** Whoever waits for an answer. */
export interface Asker {
  /** A 1xx that is not the answer. */
  onInterim(head: ResponseHead): void
  /** How to pass the body on. */
  onAnswer(head: ResponseHead): BodyForm
  /** Takes the slab, of which `body` says what passes; the body may have ended. */
  onAnswerBody(slab: Slab, body: BodyReader): void
  /** No byte of the connection belongs to the answer any more. */
  onAnswered(): void
  /** 101: from here on the connection is somebody else's, and `rest` came after the head. */
  onUpgraded(head: ResponseHead, end: End, rest: Piece | null): void
  onRoom(): void
  /** The last event. */
  onLost(cause: LossCause): void
}

export interface Question {
  readonly isHead: boolean
  readonly wantsUpgrade: boolean
  readonly maxHeadBytes: number
}

/** Interim answers are for progress, not for ever. */
const interimMax = 64

/** A connection to a task: asked one thing at a time, idle in between. */
export class Upstream implements EndHandler {
  readonly out: Outlet
  /** Answered something before: its other side may be about to close it. */
  isReused = false
  /** The answer said that it may be asked again, and nothing came since that spoils it. */
  isReusable = false
  /** When the other side would close it for being idle; it says so itself, or it is guessed. */
  keepAliveSeconds: number | null = null
  idleSinceMs = 0
  readonly #end: End
  readonly #loop: Loop
  readonly #heads: HeadPool
  readonly #onIdleLost: (upstream: Upstream) => void
  readonly #intake = new HeadIntake()
  readonly #body = new BodyReader()
  #head: ResponseHead | null = null
  #asker: Asker | null = null
  #question: Question = noQuestion
  #isInBody = false
  #hasAnswerBegun = false
  #interims = 0
  #isOver = false

  constructor(
    end: End,
    deps: { readonly loop: Loop; readonly heads: HeadPool },
    onIdleLost: (upstream: Upstream) => void,
  ) {
    this.#end = end
    this.#loop = deps.loop
    this.#heads = deps.heads
    this.#onIdleLost = onIdleLost
    this.out = new Outlet(end, deps.loop)
    end.setHandler(this)
  }

  /** A byte of an answer, even of an interim one, has come. */
  get hasAnswerBegun(): boolean {
    return this.#hasAnswerBegun
  }

  ask(question: Question, asker: Asker): void {
    this.#question = question
    this.#asker = asker
    this.#isInBody = false
    this.#hasAnswerBegun = false
    this.#interims = 0
    this.isReusable = false
    this.#beginHead()
  }

  pause(): void {
    this.#end.pause()
  }

  /** Events may come before it returns. */
  resume(): void {
    this.#end.resume()
  }

  /** Stays open, for another question. */
  rest(nowMs: number): void {
    this.#asker = null
    this.isReused = true
    this.idleSinceMs = nowMs
    this.#end.resume()
  }

  /** In order, as far as the other side is willing: no event follows. */
  close(): void {
    this.#asker = null
    this.#end.shutdown()
    this.#end.resume()
  }

  /** At once; no event follows. */
  reset(): void {
    this.#asker = null
    this.#isOver = true
    this.#giveBackHead()
    this.#end.reset()
  }

  onReceive(_end: End, slab: Slab, offset: number, length: number): void {
    if (this.#asker === null) {
      this.#loop.release(slab)
      this.#loseIdle()
      return
    }
    this.#hasAnswerBegun = true
    this.#read({ slab, offset, length })
  }

  onEnd(): void {
    if (this.#asker === null) {
      this.#end.shutdown()
      this.#onIdleLost(this)
    } else if (this.#isInBody && this.#body.endsWithConnection) this.#finish()
    else this.#lose('closed')
  }

  onDrained(): void {
    this.#asker?.onRoom()
  }

  onClosed(_end: End, cause: CloseCause): void {
    this.#isOver = true
    this.#giveBackHead()
    const asker = this.#asker
    this.#asker = null
    if (asker === null) this.#onIdleLost(this)
    else asker.onLost(cause === 'ended' ? 'closed' : 'reset')
  }

  #beginHead(): void {
    this.#head ??= this.#heads.takeResponse()
    this.#head.begin(this.#question.maxHeadBytes, this.#question.isHead)
    this.#intake.begin(this.#question.maxHeadBytes)
  }

  #read(piece: Piece): void {
    let from = piece.offset
    const to = piece.offset + piece.length
    while (!this.#isInBody) {
      const next = this.#readHead(piece.slab, from, to)
      if (next === null) return
      from = next
    }
    this.#readBody(piece.slab, from, to)
  }

  /** Where the head ended; null when the slab is used up, given on or back. */
  #readHead(slab: Slab, from: number, to: number): number | null {
    const head = this.#head
    if (head === null) return null
    const progress = this.#intake.feed(head, this.#loop.memory(slab), [from, to])
    if (progress === 'more') {
      this.#loop.release(slab)
      return null
    }
    const endsAt = this.#intake.endsAt
    if (progress !== 'whole' || (head.isInterim && this.#interims === interimMax)) {
      return this.#refuse(slab)
    }
    if (head.status === 101)
      return this.#upgrade(head, { slab, offset: endsAt, length: to - endsAt })
    if (head.isInterim) {
      this.#interims += 1
      this.#asker?.onInterim(head)
      this.#beginHead()
      return this.#stillAsked(slab, endsAt)
    }
    this.#answer(head)
    return this.#stillAsked(slab, endsAt)
  }

  #answer(head: ResponseHead): void {
    this.isReusable = head.keepsAlive
    this.keepAliveSeconds = head.keepAliveSeconds ?? this.keepAliveSeconds
    this.#isInBody = true
    const form = this.#asker?.onAnswer(head)
    this.#body.begin(head.framing, form)
    this.#giveBackHead()
  }

  #readBody(slab: Slab, from: number, to: number): void {
    const end = this.#body.read(this.#loop.memory(slab), from, to)
    if (end === null) {
      this.#refuse(slab)
      return
    }
    // Bytes beyond the answer belong to nothing that was asked: nothing after them can be trusted.
    if (end < to) this.isReusable = false
    const isDone = this.#body.isDone
    if (this.#asker === null) this.#loop.release(slab)
    else this.#asker.onAnswerBody(slab, this.#body)
    if (isDone && this.#asker !== null) this.#finish()
  }

  #upgrade(head: ResponseHead, rest: Piece): null {
    if (!this.#question.wantsUpgrade || !head.isUpgrade) return this.#refuse(rest.slab)
    const asker = this.#asker
    this.#asker = null
    this.#isOver = true
    if (rest.length === 0) this.#loop.release(rest.slab)
    asker?.onUpgraded(head, this.#end, rest.length === 0 ? null : rest)
    this.#giveBackHead()
    return null
  }

  #stillAsked(slab: Slab, from: number): number | null {
    if (this.#asker !== null) return from
    this.#loop.release(slab)
    return null
  }

  #finish(): void {
    this.#asker?.onAnswered()
  }

  #refuse(slab: Slab): null {
    this.#loop.release(slab)
    this.#lose('malformed')
    return null
  }

  #lose(cause: LossCause): void {
    const asker = this.#asker
    this.reset()
    asker?.onLost(cause)
  }

  #loseIdle(): void {
    if (this.#isOver) return
    this.reset()
    this.#onIdleLost(this)
  }

  #giveBackHead(): void {
    if (this.#head !== null) this.#heads.giveResponse(this.#head)
    this.#head = null
  }
}

const noQuestion: Question = { isHead: false, wantsUpgrade: false, maxHeadBytes: 0 }
