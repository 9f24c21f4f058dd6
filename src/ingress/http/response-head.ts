import { ConnectionOptions } from './connection-options.ts'
import { field } from './field.ts'
import { noBody, statedFraming, untilClose, type Framing } from './framing.ts'
import { HeadParser, type HeadProgress } from './head-parser.ts'
import { ListCursor } from './list-cursor.ts'
import { ascii, isTokenByte, space } from './octets.ts'

const version11 = ascii('http/1.1 ')
const version10 = ascii('http/1.0 ')
const websocketWord = ascii('websocket')
const timeoutWord = ascii('timeout=')

/** The head of an answer, and what it means. Reused from answer to answer. */
export class ResponseHead {
  readonly fields = new HeadParser()
  readonly connection = new ConnectionOptions()
  minor = 1
  status = 0
  framing: Framing = noBody
  /** Absolute positions in `fields.bytes`, as far as the end of the start line. */
  reasonFrom = 0
  reasonTo = 0
  /** It may be asked again on this connection. */
  keepsAlive = false
  isUpgrade = false
  /** From `Keep-Alive: timeout=`, in seconds; null when not said. */
  keepAliveSeconds: number | null = null
  readonly #cursor = new ListCursor()
  #answersHead = false

  /** `answersHead`: there is no body, whatever the head says. */
  begin(limitBytes: number, answersHead: boolean): void {
    this.fields.begin(limitBytes)
    this.#answersHead = answersHead
  }

  parse(bytes: Uint8Array, from: number, to: number): HeadProgress {
    const progress = this.fields.parse(bytes, from, to)
    if (progress !== 'whole') return progress
    return this.#readStatus() && this.#readFields() ? 'whole' : 'wrong'
  }

  get isInterim(): boolean {
    return this.status < 200 && this.status !== 101
  }

  #readStatus(): boolean {
    const { fields } = this
    const from = fields.base + fields.startFrom
    const to = fields.base + fields.startTo
    const digitsFrom = from + version11.length
    // `says` does not see case: only HTTP in capitals is HTTP.
    if (fields.bytes[from] !== 0x48 || digitsFrom + 3 > to) return false
    const isNew = fields.says(from, digitsFrom, version11)
    if (!isNew && !fields.says(from, digitsFrom, version10)) return false
    this.minor = isNew ? 1 : 0
    this.status = 0
    for (let at = digitsFrom; at < digitsFrom + 3; at++) {
      const digit = (fields.bytes[at] ?? 0) - 0x30
      if (digit < 0 || digit > 9) return false
      this.status = this.status * 10 + digit
    }
    this.reasonFrom = digitsFrom + 3
    this.reasonTo = to
    const hasSpace = fields.bytes[this.reasonFrom] === space
    return (this.reasonFrom === to || hasSpace) && this.status >= 100 && this.status < 600
  }

  #readFields(): boolean {
    if (!this.connection.read(this.fields)) return false
    const stated = statedFraming(this.fields, this.minor)
    // Not ours to guess: the next hop would guess otherwise.
    if (stated === 'wrong' || stated === 'unknown-coding') return false
    const { status } = this
    const isBodiless = this.#answersHead || status < 200 || status === 204 || status === 304
    if (isBodiless) this.framing = noBody
    else this.framing = stated === 'unstated' ? untilClose : stated
    this.#readOthers()
    this.keepsAlive =
      this.framing.kind !== 'until-close' &&
      !this.connection.hasClose &&
      (this.minor === 1 || this.connection.hasKeepAlive)
    return true
  }

  #readOthers(): void {
    this.isUpgrade = false
    this.keepAliveSeconds = null
    for (let index = 0; index < this.fields.fieldCount; index++) {
      const code = this.fields.code(index)
      if (code === field.upgrade) this.isUpgrade = this.#isWebsocket(index)
      if (code === field.keepAlive) this.#readKeepAlive(index)
    }
    this.isUpgrade &&= this.status === 101 && this.connection.hasUpgrade
  }

  #isWebsocket(index: number): boolean {
    const { fields } = this
    return fields.says(fields.valueFrom(index), fields.valueTo(index), websocketWord)
  }

  #readKeepAlive(index: number): void {
    this.#cursor.start(this.fields, index)
    while (this.#cursor.next()) {
      const { from, to } = this.#cursor
      const digitsFrom = from + timeoutWord.length
      if (digitsFrom >= to || !this.fields.says(from, digitsFrom, timeoutWord)) continue
      let seconds = 0
      for (let at = digitsFrom; at < to && isTokenByte[this.fields.bytes[at] ?? 0] === 1; at++) {
        seconds = seconds * 10 + (this.fields.bytes[at] ?? 0) - 0x30
      }
      if (seconds >= 0 && seconds < 86_400) this.keepAliveSeconds = seconds
    }
  }
}
