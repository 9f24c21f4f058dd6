import type { Framing } from './framing.ts'
import { field } from './field.ts'
import { HeadParser } from './head-parser.ts'
import { cr, hexValue, isTextByte, lf, semicolon } from './octets.ts'

/** What is kept of a chunked body on its way. */
export interface BodyForm {
  /** False: only the data, for a receiver that knows no chunks. */
  readonly keepsChunks: boolean
  /** Fields after the last chunk go along, those excepted that would change what it was. */
  readonly keepsTrailers: boolean
}

/** Beyond these a sender plays for time, or worse (CVE-2024-22019). */
const sizeDigitsMax = 12
const extensionBytesMax = 4096
const trailerBytesMax = 8192

type Phase =
  | 'counted'
  | 'until-close'
  | 'size'
  | 'extension'
  | 'size-lf'
  | 'data'
  | 'data-cr'
  | 'data-lf'
  | 'after-last'
  | 'last-lf'
  | 'trailers'
  | 'done'

/**
 * Follows a body to its end, and says which of the bytes pass: all of them, but for chunk
 * extensions and trailers. Chunks are checked strictly, since whoever passes them on vouches for
 * where they end. Reused from body to body.
 */
export class BodyReader {
  /** What passes of the bytes last read: from, to, from, to … */
  readonly passing: number[] = []
  /** Is sent after `passing`, once the body has ended. */
  tail: Uint8Array | null = null
  /** Data bytes so far, without what is around chunks. */
  dataBytes = 0
  #phase: Phase = 'done'
  #form: BodyForm = plain
  #left = 0
  #sizeDigits = 0
  #extensionBytes = 0
  #trailers: Uint8Array = noBytes
  /** Made at the first trailers: hardly anybody sends any. */
  #parser: HeadParser | null = null

  begin(framing: Framing, form: BodyForm = plain): void {
    this.passing.length = 0
    this.tail = null
    this.dataBytes = 0
    this.#form = form
    this.#extensionBytes = 0
    switch (framing.kind) {
      case 'none':
        this.#phase = 'done'
        return
      case 'length':
        this.#phase = framing.bytes === 0 ? 'done' : 'counted'
        this.#left = framing.bytes
        return
      case 'chunked':
        this.#beginSize()
        return
      case 'until-close':
        this.#phase = 'until-close'
    }
  }

  get isDone(): boolean {
    return this.#phase === 'done'
  }

  get endsWithConnection(): boolean {
    return this.#phase === 'until-close'
  }

  /** Where this body's bytes end among these; null when they are none that a body may have. */
  read(bytes: Uint8Array, from: number, to: number): number | null {
    this.passing.length = 0
    let at = from
    while (at < to && this.#phase !== 'done') {
      const next = this.#step(bytes, at, to)
      if (next === null) return null
      at = next
    }
    return at
  }

  #step(bytes: Uint8Array, at: number, to: number): number | null {
    const byte = bytes[at] ?? 0
    switch (this.#phase) {
      case 'counted':
      case 'data':
        return this.#data(at, to)
      case 'until-close':
        this.dataBytes += to - at
        return this.#pass(at, to)
      case 'size':
        return this.#size(byte, at)
      case 'extension':
        return this.#extension(byte, at)
      case 'size-lf':
        return byte === lf ? this.#sized(at) : null
      case 'data-cr':
        return byte === cr ? this.#frame(at, 'data-lf') : null
      case 'data-lf':
        if (byte !== lf) return null
        this.#beginSize()
        return this.#keepFrame(at)
      case 'after-last':
        return byte === cr ? this.#frame(at, 'last-lf') : this.#beginTrailers(at)
      case 'last-lf':
        return byte === lf ? this.#frame(at, 'done') : null
      case 'trailers':
        return this.#readTrailers(bytes, at, to)
      case 'done':
        return at
    }
  }

  #data(at: number, to: number): number {
    const take = Math.min(this.#left, to - at)
    this.#left -= take
    this.dataBytes += take
    if (this.#left === 0) this.#phase = this.#phase === 'counted' ? 'done' : 'data-cr'
    return this.#pass(at, at + take)
  }

  #beginSize(): void {
    this.#phase = 'size'
    this.#left = 0
    this.#sizeDigits = 0
  }

  #size(byte: number, at: number): number | null {
    const digit = hexValue[byte] ?? 255
    if (digit < 16) {
      this.#left = this.#left * 16 + digit
      this.#sizeDigits += 1
      return this.#sizeDigits > sizeDigitsMax ? null : this.#keepFrame(at)
    }
    if (this.#sizeDigits === 0) return null
    if (byte === cr) return this.#frame(at, 'size-lf')
    if (byte !== semicolon) return null
    this.#phase = 'extension'
    return at + 1
  }

  /** Nobody understands them: they end here. */
  #extension(byte: number, at: number): number | null {
    if (byte === cr) return this.#frame(at, 'size-lf')
    this.#extensionBytes += 1
    const isFine = isTextByte[byte] === 1 && this.#extensionBytes <= extensionBytesMax
    return isFine ? at + 1 : null
  }

  #sized(at: number): number {
    this.#phase = this.#left > 0 ? 'data' : 'after-last'
    return this.#keepFrame(at)
  }

  #beginTrailers(at: number): number {
    this.#phase = 'trailers'
    this.#trailers = noBytes
    this.#parser ??= new HeadParser()
    this.#parser.beginTrailers(trailerBytesMax)
    return at
  }

  #readTrailers(bytes: Uint8Array, at: number, to: number): number | null {
    const had = this.#trailers.length
    const more = bytes.subarray(at, Math.min(to, at + trailerBytesMax - had + 1))
    this.#trailers = Buffer.concat([this.#trailers, more])
    const parser = this.#parser
    if (parser === null) return null
    const progress = parser.parse(this.#trailers, 0, this.#trailers.length)
    if (progress === 'more') return to
    if (progress !== 'whole' || hasForbidden(parser)) return null
    this.#phase = 'done'
    if (this.#form.keepsChunks) this.tail = this.#tailOf(parser)
    return at + parser.length - had
  }

  #tailOf(parser: HeadParser): Uint8Array {
    if (!this.#form.keepsTrailers) return emptyLine
    const lines: Uint8Array[] = []
    for (let index = 0; index < parser.fieldCount; index++) {
      if (parser.code(index) !== field.other) continue
      const name = this.#trailers.subarray(parser.nameFrom(index), parser.nameTo(index))
      const value = this.#trailers.subarray(parser.valueFrom(index), parser.valueTo(index))
      lines.push(name, colonSpace, value, emptyLine)
    }
    return Buffer.concat([...lines, emptyLine])
  }

  #frame(at: number, next: Phase): number {
    this.#phase = next
    return this.#keepFrame(at)
  }

  #keepFrame(at: number): number {
    return this.#form.keepsChunks ? this.#pass(at, at + 1) : at + 1
  }

  #pass(from: number, to: number): number {
    const { passing } = this
    if (passing.length > 0 && passing[passing.length - 1] === from) {
      passing[passing.length - 1] = to
    } else if (to > from) passing.push(from, to)
    return to
  }
}

/** Framing and routing are decided by heads alone: a second opinion at the end is an attack. */
function hasForbidden(parser: HeadParser): boolean {
  for (let index = 0; index < parser.fieldCount; index++) {
    const code = parser.code(index) & 0x7f
    if (code === field.contentLength || code === field.transferEncoding || code === field.host) {
      return true
    }
  }
  return false
}

const plain: BodyForm = { keepsChunks: true, keepsTrailers: false }
const noBytes = new Uint8Array(0)
const emptyLine = Uint8Array.from([cr, lf])
const colonSpace = Uint8Array.from([0x3a, 0x20])
