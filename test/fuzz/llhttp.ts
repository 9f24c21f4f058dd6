import { createRequire } from 'node:module'

/** The parser inside Node's own HTTP, llhttp, without sockets around it. */
interface NodeParser {
  initialize(type: number, resource: object, maxHeaderBytes: number, leniency: number): void
  execute(bytes: Buffer): number | Error
  [callback: number]: (...words: never[]) => unknown
}

interface NodeParserClass {
  new (): NodeParser
  readonly REQUEST: number
  readonly RESPONSE: number
  readonly kOnMessageBegin: number
  readonly kOnHeaders: number
  readonly kOnHeadersComplete: number
  readonly kOnBody: number
  readonly kOnMessageComplete: number
}

const { HTTPParser, methods } = createRequire(import.meta.url)('_http_common') as {
  readonly HTTPParser: NodeParserClass
  readonly methods: readonly string[]
}

export interface ReadMessage {
  /** Method and target, or the status. */
  readonly start: string
  body: string
  isWhole: boolean
  /** Nothing that follows is another message of this kind. */
  isLast: boolean
}

export interface Reading {
  readonly messages: readonly ReadMessage[]
  /** It refused something; else it would go on with more bytes. */
  readonly isRefused: boolean
}

/** More than ours: what is sent on is longer than what came. */
const headBytesMax = 64 * 1024

/** What llhttp, as strict as Node has it, makes of these bytes. */
export class Llhttp {
  readonly #parser = new HTTPParser()
  readonly #kind: 'request' | 'response'
  #messages: ReadMessage[] = []
  #target = ''

  constructor(kind: 'request' | 'response') {
    this.#kind = kind
    const parser = this.#parser
    parser[HTTPParser.kOnMessageBegin] = () => {
      this.#target = ''
    }
    // Many fields come in several calls, the target with the first of them.
    parser[HTTPParser.kOnHeaders] = (_fields: string[], url: string) => {
      this.#target ||= url
    }
    parser[HTTPParser.kOnHeadersComplete] = this.#head.bind(this)
    parser[HTTPParser.kOnBody] = (bytes: Buffer) => {
      const message = this.#messages.at(-1)
      if (message !== undefined) message.body += bytes.toString('latin1')
    }
    parser[HTTPParser.kOnMessageComplete] = () => {
      const message = this.#messages.at(-1)
      if (message !== undefined) message.isWhole = true
    }
  }

  read(bytes: Uint8Array): Reading {
    this.#messages = []
    const type = this.#kind === 'request' ? HTTPParser.REQUEST : HTTPParser.RESPONSE
    this.#parser.initialize(type, {}, headBytesMax, 0)
    const parsed = this.#parser.execute(Buffer.from(bytes))
    return { messages: this.#messages, isRefused: parsed instanceof Error }
  }

  #head(...words: never[]): number {
    // major, minor, fields, method, url, status, reason, upgrade, keep-alive
    const [, , , method, url, status, , isUpgrade, isKept] = words as unknown[]
    const target = typeof url === 'string' ? url : this.#target
    const start = this.#kind === 'request' ? `${methods[Number(method)]} ${target}` : String(status)
    const isInterim = this.#kind === 'response' && Number(status) < 200
    const isLast = isUpgrade === true || (isKept !== true && !isInterim)
    this.#messages.push({ start, body: '', isWhole: false, isLast })
    // As Node's own client says it: 1 is for answers that have no body, whatever they say.
    const isBodiless =
      isInterim || (this.#kind === 'response' && [204, 304].includes(Number(status)))
    return isBodiless ? 1 : 0
  }
}
