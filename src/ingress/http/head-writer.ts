import { assert } from '../../../mesh/base/assert.ts'
import type { HeadParser } from './head-parser.ts'
import { colon, comma, cr, lf, space } from './octets.ts'

/** The largest head that is read, and all that is added to one. */
const scratchBytes = 160 * 1024

/** Puts a head together from parts of another one and our own words. One is enough for a thread. */
export class HeadWriter {
  readonly #scratch = new Uint8Array(scratchBytes)
  #at = 0

  begin(): this {
    this.#at = 0
    return this
  }

  copy(bytes: Uint8Array, from: number, to: number): this {
    assert(this.#at + to - from <= scratchBytes, 'a head fits what heads are limited to')
    const scratch = this.#scratch
    let into = this.#at
    for (let at = from; at < to; at++) scratch[into++] = bytes[at] ?? 0
    this.#at = into
    return this
  }

  put(words: Uint8Array): this {
    assert(this.#at + words.length <= scratchBytes, 'a head fits what heads are limited to')
    this.#scratch.set(words, this.#at)
    this.#at += words.length
    return this
  }

  /** Text of ASCII. */
  text(text: string): this {
    assert(this.#at + text.length <= scratchBytes, 'a head fits what heads are limited to')
    for (let at = 0; at < text.length; at++) this.#scratch[this.#at++] = text.charCodeAt(at)
    return this
  }

  byte(byte: number): this {
    this.#scratch[this.#at++] = byte
    return this
  }

  endLine(): this {
    return this.byte(cr).byte(lf)
  }

  /** A field as it was, but for blanks around its value. */
  field(head: HeadParser, index: number): this {
    this.copy(head.bytes, head.nameFrom(index), head.nameTo(index)).byte(colon).byte(space)
    return this.value(head, index).endLine()
  }

  value(head: HeadParser, index: number): this {
    return this.copy(head.bytes, head.valueFrom(index), head.valueTo(index))
  }

  separator(): this {
    return this.byte(comma).byte(space)
  }

  /** A copy: what is written next does not touch it. */
  end(): Uint8Array {
    return Buffer.from(this.#scratch.subarray(0, this.endLine().#at))
  }
}
