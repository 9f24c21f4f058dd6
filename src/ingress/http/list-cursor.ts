import type { HeadParser } from './head-parser.ts'
import { comma, isBlank, isTokenByte } from './octets.ts'

/** Walks over the members of a field that is a list; empty ones are skipped. Reused. */
export class ListCursor {
  from = 0
  to = 0
  #bytes: Uint8Array = new Uint8Array(0)
  #at = 0
  #end = 0

  start(head: HeadParser, index: number): void {
    this.#bytes = head.bytes
    this.#at = head.valueFrom(index)
    this.#end = head.valueTo(index)
  }

  next(): boolean {
    const bytes = this.#bytes
    while (this.#at < this.#end && (isBlank(bytes[this.#at]) || bytes[this.#at] === comma)) {
      this.#at++
    }
    if (this.#at >= this.#end) return false
    this.from = this.#at
    while (this.#at < this.#end && bytes[this.#at] !== comma) this.#at++
    this.to = this.#at
    while (isBlank(bytes[this.to - 1])) this.to--
    return true
  }

  get isToken(): boolean {
    for (let at = this.from; at < this.to; at++) {
      if (isTokenByte[this.#bytes[at] ?? 0] !== 1) return false
    }
    return true
  }
}
