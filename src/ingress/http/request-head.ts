import { ConnectionOptions } from './connection-options.ts'
import { field } from './field.ts'
import { noBody, statedFraming, type Framing } from './framing.ts'
import { HeadParser, type HeadProgress } from './head-parser.ts'
import { ListCursor } from './list-cursor.ts'
import { ascii, isHostByte, isTargetByte, isTokenByte, slash, space } from './octets.ts'

/** 0 while nothing is wrong; else the status to answer with. */
export type HeadProblem = 0 | 400 | 414 | 417 | 431 | 501 | 505

const versionPrefix = ascii('http/1.')
const otherVersion = ascii('http/')
const methods = {
  connect: ascii('connect'),
  trace: ascii('trace'),
  options: ascii('options'),
  head: ascii('head'),
}
/** RFC 9110 §9.2.2. */
const idempotentMethods = ['get', 'head', 'put', 'delete', 'options', 'trace'].map(ascii)
const httpScheme = ascii('http://')
const continueWord = ascii('100-continue')
const websocketWord = ascii('websocket')
const trailersWord = ascii('trailers')
const hostBytesMax = 512
const targetBytesMax = 32 * 1024
const versionLength = 8

/** A request's head: what the parser found, and what it means. Reused from request to request. */
export class RequestHead {
  readonly fields = new HeadParser()
  readonly connection = new ConnectionOptions()
  problem: HeadProblem = 0
  minor = 1
  isHead = false
  isIdempotent = false
  framing: Framing = noBody
  /** Absolute positions in `fields.bytes`; the target is that of origin form, perhaps without `/`. */
  methodFrom = 0
  methodTo = 0
  targetFrom = 0
  targetTo = 0
  /** Empty when an HTTP/1.0 client named none. */
  hostFrom = 0
  hostTo = 0
  wantsKeepAlive = false
  wantsUpgrade = false
  expectsContinue = false
  acceptsTrailers = false
  /** Null: not said, or of no consequence to this method. */
  maxForwards: number | null = null
  readonly #cursor = new ListCursor()
  #isStartRead = false

  begin(limitBytes: number): void {
    this.fields.begin(limitBytes)
    this.problem = 0
    this.#isStartRead = false
  }

  /** After `wrong` or `too-large`, `problem` says what to answer. */
  parse(bytes: Uint8Array, from: number, to: number): HeadProgress {
    const progress = this.fields.parse(bytes, from, to)
    if (progress === 'wrong') return this.#wrong(400)
    if (progress === 'too-large') return this.#wrong(431)
    // Judged as soon as it is there: whoever speaks something else waits for no second line.
    const problem = this.#readStartOnce()
    if (problem !== 0) return this.#wrong(problem)
    if (progress === 'more') return progress
    const meaning = this.#readFields()
    return meaning === 0 ? progress : this.#wrong(meaning)
  }

  get hasBody(): boolean {
    const { framing } = this
    return framing.kind === 'length' ? framing.bytes > 0 : framing.kind !== 'none'
  }

  #wrong(problem: HeadProblem): HeadProgress {
    this.problem = problem
    return problem === 431 ? 'too-large' : 'wrong'
  }

  #readStartOnce(): HeadProblem {
    if (this.#isStartRead || this.fields.startTo === 0) return 0
    this.#isStartRead = true
    const { fields } = this
    const to = fields.base + fields.startTo
    let at = fields.base + fields.startFrom
    // `head` is not HEAD, though some readers think so: no method has small letters.
    while (isTokenByte[fields.bytes[at] ?? 0] === 1 && !isSmall(fields.bytes[at] ?? 0)) at++
    const methodLength = at - fields.base - fields.startFrom
    if (methodLength === 0 || fields.bytes[at] !== space) return 400
    const targetFrom = ++at
    while (isTargetByte[fields.bytes[at] ?? 0] === 1) at++
    if (at === targetFrom || fields.bytes[at] !== space) return 400
    if (at - targetFrom > targetBytesMax) return 414
    return this.#readVersion(at + 1, to)
  }

  #readVersion(from: number, to: number): HeadProblem {
    const { fields } = this
    const isUpperCase = fields.bytes[from] === 0x48
    if (!isUpperCase || to - from !== versionLength) return 400
    if (!fields.says(from, from + otherVersion.length, otherVersion)) return 400
    const digit = (fields.bytes[to - 1] ?? 0) - 0x30
    if (digit < 0 || digit > 9) return 400
    if (!fields.says(from, to - 1, versionPrefix)) return 505
    if (digit > 1) return 505
    this.minor = digit
    return 0
  }

  #readFields(): HeadProblem {
    const { fields } = this
    this.#locateStart()
    if (!this.connection.read(fields)) return 400
    const framing = statedFraming(fields, this.minor)
    if (framing === 'wrong') return 400
    if (framing === 'unknown-coding') return 501
    this.framing = framing === 'unstated' ? noBody : framing
    this.wantsKeepAlive =
      !this.connection.hasClose && (this.minor === 1 || this.connection.hasKeepAlive)
    return this.#readTarget() || this.#readOthers()
  }

  /** Only now: a head that came in pieces has moved since its first line was read. */
  #locateStart(): void {
    const { fields } = this
    this.methodFrom = fields.base + fields.startFrom
    let at = this.methodFrom
    while (fields.bytes[at] !== space) at++
    this.methodTo = at
    this.targetFrom = at + 1
    this.targetTo = fields.base + fields.startTo - versionLength - 1
    this.isHead = this.#isMethod(methods.head)
    this.isIdempotent = idempotentMethods.some((method) => this.#isMethod(method))
  }

  #isMethod(word: Uint8Array): boolean {
    return this.fields.says(this.methodFrom, this.methodTo, word)
  }

  /** Origin form; absolute form, whose authority then is the host; `*` with OPTIONS. No tunnels. */
  #readTarget(): HeadProblem {
    const { fields } = this
    const host = this.#readHost()
    if (host !== 0) return host
    if (this.#isMethod(methods.connect)) return 501
    const first = fields.bytes[this.targetFrom]
    if (first === slash) return 0
    const isAsterisk = first === 0x2a && this.targetTo - this.targetFrom === 1
    if (isAsterisk) return this.#isMethod(methods.options) ? 0 : 400
    return this.#readAbsolute()
  }

  #readAbsolute(): HeadProblem {
    const { fields } = this
    const schemeTo = this.targetFrom + httpScheme.length
    if (schemeTo >= this.targetTo || !fields.says(this.targetFrom, schemeTo, httpScheme)) return 400
    let at = schemeTo
    while (at < this.targetTo && fields.bytes[at] !== slash && fields.bytes[at] !== 0x3f) at++
    this.hostFrom = schemeTo
    this.hostTo = at
    this.targetFrom = at
    return this.hostTo > this.hostFrom && this.#isHostValid() ? 0 : 400
  }

  #readHost(): HeadProblem {
    const { fields } = this
    this.hostFrom = 0
    this.hostTo = 0
    let count = 0
    for (let index = 0; index < fields.fieldCount; index++) {
      if (fields.code(index) !== field.host) continue
      count += 1
      this.hostFrom = fields.valueFrom(index)
      this.hostTo = fields.valueTo(index)
    }
    if (count > 1 || (count === 0 && this.minor === 1)) return 400
    if (count === 1 && this.hostTo === this.hostFrom) return 400
    return this.#isHostValid() ? 0 : 400
  }

  #isHostValid(): boolean {
    if (this.hostTo - this.hostFrom > hostBytesMax) return false
    for (let at = this.hostFrom; at < this.hostTo; at++) {
      if (isHostByte[this.fields.bytes[at] ?? 0] !== 1) return false
    }
    return true
  }

  #readOthers(): HeadProblem {
    const { fields } = this
    this.wantsUpgrade = false
    this.expectsContinue = false
    this.acceptsTrailers = false
    this.maxForwards = null
    for (let index = 0; index < fields.fieldCount; index++) {
      const problem = this.#readOther(index)
      if (problem !== 0) return problem
    }
    // A body would come between the request and the bytes of the new protocol.
    const hasBody = this.hasBody
    this.wantsUpgrade &&= this.connection.hasUpgrade && this.minor === 1 && !hasBody
    this.expectsContinue &&= this.minor === 1 && hasBody
    return 0
  }

  #readOther(index: number): HeadProblem {
    const { fields } = this
    switch (fields.code(index)) {
      case field.upgrade:
        this.wantsUpgrade = fields.says(
          fields.valueFrom(index),
          fields.valueTo(index),
          websocketWord,
        )
        return 0
      case field.expect:
        this.expectsContinue = fields.says(
          fields.valueFrom(index),
          fields.valueTo(index),
          continueWord,
        )
        return this.expectsContinue || this.minor === 0 ? 0 : 417
      case field.te:
        this.acceptsTrailers ||= this.#hasTrailers(index)
        return 0
      case field.maxForwards:
        return this.#readMaxForwards(index)
      default:
        return 0
    }
  }

  #hasTrailers(index: number): boolean {
    this.#cursor.start(this.fields, index)
    while (this.#cursor.next()) {
      if (this.fields.says(this.#cursor.from, this.#cursor.to, trailersWord)) return true
    }
    return false
  }

  #readMaxForwards(index: number): HeadProblem {
    const isCounted = this.#isMethod(methods.options) || this.#isMethod(methods.trace)
    if (!isCounted) return 0
    const from = this.fields.valueFrom(index)
    const text = Buffer.from(this.fields.bytes.subarray(from, this.fields.valueTo(index)))
    const digits = text.toString('latin1')
    if (!/^\d{1,9}$/.test(digits)) return 400
    this.maxForwards = Number(digits)
    return 0
  }
}

const isSmall = (byte: number): boolean => byte >= 0x61 && byte <= 0x7a
