import { fieldCode } from './field.ts'
import { colon, cr, isBlank, isTextByte, isTokenByte, lf } from './octets.ts'

/** `wrong` and `too-large` are final. */
export type HeadProgress = 'more' | 'whole' | 'wrong' | 'too-large'

const fieldsMax = 128
const marksPerField = 4
/** A server ignores an empty line or two ahead of a request: some clients send one too many. */
const emptyLinesMax = 2

/**
 * Reads the head of a message, or its trailers, byte by byte and strictly: lines end in CRLF, no
 * folding, no control characters, no space before a colon. Keeps positions only, counted from the
 * head's first byte, so that a head which arrives in pieces can be gathered elsewhere meanwhile.
 * Reused from message to message; makes no objects.
 */
export class HeadParser {
  /** Where the head lay at the last call. */
  bytes: Uint8Array = noBytes
  base = 0
  /** The start line, without its CRLF; relative, as all positions are. */
  startFrom = 0
  startTo = 0
  fieldCount = 0
  /** How many bytes the head takes, the empty line included, once it is whole. */
  length = 0
  readonly #codes = new Uint8Array(fieldsMax)
  readonly #marks = new Int32Array(fieldsMax * marksPerField)
  #limitBytes = 0
  #scanned = 0
  #lineFrom = 0
  #emptyLines = 0
  #isInFields = false

  begin(limitBytes: number): void {
    this.#limitBytes = limitBytes
    this.#scanned = 0
    this.#lineFrom = 0
    this.#emptyLines = emptyLinesMax
    this.#isInFields = false
    this.startFrom = 0
    this.startTo = 0
    this.fieldCount = 0
    this.length = 0
  }

  /** For fields without a start line. */
  beginTrailers(limitBytes: number): void {
    this.begin(limitBytes)
    this.#isInFields = true
  }

  /** `from` is where the head begins, also when a part of it was parsed before. */
  parse(bytes: Uint8Array, from: number, to: number): HeadProgress {
    this.bytes = bytes
    this.base = from
    const end = Math.min(to, from + this.#limitBytes)
    for (;;) {
      let at = from + this.#scanned
      while (at < end && isTextByte[bytes[at] ?? 0] === 1) at++
      this.#scanned = at - from
      if (at < end && bytes[at] !== cr) return 'wrong'
      if (at + 1 >= end) return end - from < this.#limitBytes ? 'more' : 'too-large'
      if (bytes[at + 1] !== lf) return 'wrong'
      const progress = this.#line(this.#lineFrom, this.#scanned)
      this.#scanned += 2
      this.#lineFrom = this.#scanned
      if (progress === 'whole') this.length = this.#scanned
      if (progress !== 'more') return progress
    }
  }

  code(index: number): number {
    return this.#codes[index] ?? 0
  }

  nameFrom(index: number): number {
    return this.base + (this.#marks[index * marksPerField] ?? 0)
  }

  nameTo(index: number): number {
    return this.base + (this.#marks[index * marksPerField + 1] ?? 0)
  }

  valueFrom(index: number): number {
    return this.base + (this.#marks[index * marksPerField + 2] ?? 0)
  }

  valueTo(index: number): number {
    return this.base + (this.#marks[index * marksPerField + 3] ?? 0)
  }

  /** Whether a range says this word, which is given in lower case; case does not matter. */
  says(from: number, to: number, word: Uint8Array): boolean {
    if (to - from !== word.length) return false
    for (let at = 0; at < word.length; at++) {
      const byte = this.bytes[from + at] ?? 0
      const lower = byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte
      if (lower !== word[at]) return false
    }
    return true
  }

  #line(from: number, to: number): HeadProgress {
    if (!this.#isInFields) return this.#startLine(from, to)
    if (from === to) return 'whole'
    return this.#fieldLine(from, to)
  }

  #startLine(from: number, to: number): HeadProgress {
    if (from === to) return this.#emptyLines-- > 0 ? 'more' : 'wrong'
    this.startFrom = from
    this.startTo = to
    this.#isInFields = true
    return 'more'
  }

  #fieldLine(from: number, to: number): HeadProgress {
    const { bytes, base } = this
    let nameTo = base + from
    while (isTokenByte[bytes[nameTo] ?? 0] === 1) nameTo++
    if (nameTo === base + from || bytes[nameTo] !== colon) return 'wrong'
    if (this.fieldCount === fieldsMax) return 'too-large'
    let valueFrom = nameTo + 1
    let valueTo = base + to
    while (valueFrom < valueTo && isBlank(bytes[valueFrom])) valueFrom++
    while (valueTo > valueFrom && isBlank(bytes[valueTo - 1])) valueTo--
    const index = this.fieldCount++
    this.#codes[index] = fieldCode(bytes, base + from, nameTo)
    const at = index * marksPerField
    this.#marks[at] = from
    this.#marks[at + 1] = nameTo - base
    this.#marks[at + 2] = valueFrom - base
    this.#marks[at + 3] = valueTo - base
    return 'more'
  }
}

const noBytes = new Uint8Array(0)
