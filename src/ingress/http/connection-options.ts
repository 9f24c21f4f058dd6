import { field } from './field.ts'
import type { HeadParser } from './head-parser.ts'
import { ListCursor } from './list-cursor.ts'
import { ascii, foldedByte } from './octets.ts'

const closeWord = ascii('close')
const keepAliveWord = ascii('keep-alive')
const upgradeWord = ascii('upgrade')

/** What the `Connection` fields of one head say. Reused. */
export class ConnectionOptions {
  hasClose = false
  hasKeepAlive = false
  hasUpgrade = false
  readonly #cursor = new ListCursor()
  /** Fields that are for this hop alone: from, to, from, to … */
  readonly #named: number[] = []

  /** False when a value is no list of names. */
  read(head: HeadParser): boolean {
    this.hasClose = false
    this.hasKeepAlive = false
    this.hasUpgrade = false
    this.#named.length = 0
    for (let index = 0; index < head.fieldCount; index++) {
      if (head.code(index) === field.connection && !this.#readField(head, index)) return false
    }
    return true
  }

  /** Whether a field was named, and therefore ends here. */
  names(head: HeadParser, index: number): boolean {
    const from = head.nameFrom(index)
    const length = head.nameTo(index) - from
    for (let at = 0; at < this.#named.length; at += 2) {
      const namedFrom = this.#named[at] ?? 0
      const namedTo = this.#named[at + 1] ?? 0
      if (namedTo - namedFrom === length && isSameName(head, namedFrom, index)) return true
    }
    return false
  }

  #readField(head: HeadParser, index: number): boolean {
    const cursor = this.#cursor
    cursor.start(head, index)
    while (cursor.next()) {
      const { from, to } = cursor
      if (!cursor.isToken) return false
      if (head.says(from, to, closeWord)) this.hasClose = true
      else if (head.says(from, to, keepAliveWord)) this.hasKeepAlive = true
      else if (head.says(from, to, upgradeWord)) this.hasUpgrade = true
      else this.#named.push(from, to)
    }
    return true
  }
}

function isSameName(head: HeadParser, from: number, index: number): boolean {
  const nameFrom = head.nameFrom(index)
  const length = head.nameTo(index) - nameFrom
  for (let at = 0; at < length; at++) {
    const named = foldedByte[head.bytes[from + at] ?? 0]
    if (named !== foldedByte[head.bytes[nameFrom + at] ?? 0]) return false
  }
  return true
}
