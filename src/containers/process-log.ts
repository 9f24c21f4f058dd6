import { lastLineOf } from './last-line.ts'
import type { LogLine, LogQuery } from '../model/log-line.ts'

/** Docker's limit too: what is longer comes as several messages, the first ones without an end. */
const maxMessageBytes = 16 * 1024
const defaultCapacityBytes = 256 * 1024
/** What a message costs beside its text. */
const overheadBytes = 128
const newline = 0x0a

type Stream = LogLine['stream']

/**
 * The last messages of what a program printed, each with its time. Readers hold a place in it, not
 * messages: who reads slower than the program prints misses some, and costs nothing.
 */
export class ProcessLog {
  readonly #nowMs: () => number
  readonly #capacityBytes: number
  #messages: LogLine[] = []
  /** Number of the first message that is kept; numbers go up for ever. */
  #first = 0
  #bytes = 0
  #lastMs = 0
  #sameMs = 0
  #hasEnded = false
  readonly #open: Record<Stream, Buffer> = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) }
  readonly #waiting = new Set<() => void>()

  constructor(nowMs: () => number, capacityBytes: number = defaultCapacityBytes) {
    this.#nowMs = nowMs
    this.#capacityBytes = capacityBytes
  }

  push(stream: Stream, chunk: Buffer): void {
    let rest = Buffer.concat([this.#open[stream], chunk])
    for (let end = messageEnd(rest); end > 0; end = messageEnd(rest)) {
      this.#append(stream, rest.subarray(0, end))
      rest = rest.subarray(end)
    }
    this.#open[stream] = Buffer.from(rest)
    this.#wake()
  }

  /** Nothing will be printed any more: what has no line end never gets one, as in docker. */
  end(): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      const rest = this.#open[stream]
      this.#open[stream] = Buffer.alloc(0)
      if (rest.length > 0) this.#append(stream, rest)
    }
    this.#hasEnded = true
    this.#wake()
  }

  /** The last line that says something, cut to a length that a table can show. */
  lastLine(): string | null {
    const said = this.#messages.findLast(({ text }) => decode(text).trim() !== '')
    return said === undefined ? null : lastLineOf(decode(said.text))
  }

  async *read(query: LogQuery, signal: AbortSignal): AsyncGenerator<LogLine> {
    let next = this.#startOf(query)
    while (!signal.aborted) {
      next = Math.max(next, this.#first)
      const message = this.#messages[next - this.#first]
      if (message !== undefined) {
        if (query.until !== null && message.at > query.until) return
        next++
        if (isWanted(message, query)) yield message
      } else if (!query.follow || this.#hasEnded) return
      else await this.#more(signal)
    }
  }

  #startOf(query: LogQuery): number {
    if (query.tail === null) return this.#first
    let wanted = query.tail
    for (let at = this.#messages.length; at > 0; at--) {
      if (wanted === 0) return this.#first + at
      const message = this.#messages[at - 1]
      if (message !== undefined && isWanted(message, query)) wanted--
    }
    return this.#first
  }

  #append(stream: Stream, bytes: Buffer): void {
    // A copy: a slice would keep the whole chunk alive.
    const text = Buffer.from(bytes)
    this.#messages.push({ at: this.#time(), stream, attributes: '', text })
    this.#bytes += text.length + overheadBytes
    let surplus = 0
    while (this.#bytes > this.#capacityBytes) {
      this.#bytes -= (this.#messages[surplus]?.text.length ?? 0) + overheadBytes
      surplus++
    }
    if (surplus === 0) return
    this.#messages.splice(0, surplus)
    this.#first += surplus
  }

  /** Never the same twice, so that a reader can say where it stopped. */
  #time(): string {
    const nowMs = Math.max(Math.floor(this.#nowMs()), this.#lastMs)
    this.#sameMs = nowMs === this.#lastMs ? Math.min(this.#sameMs + 1, 999_999) : 0
    this.#lastMs = nowMs
    return `${new Date(nowMs).toISOString().slice(0, -1)}${String(this.#sameMs).padStart(6, '0')}Z`
  }

  #wake(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const resolve of waiting) resolve()
  }

  #more(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const settle = (): void => {
        this.#waiting.delete(settle)
        signal.removeEventListener('abort', settle)
        resolve()
      }
      this.#waiting.add(settle)
      signal.addEventListener('abort', settle)
    })
  }
}

const isWanted = ({ stream, at }: LogLine, query: LogQuery): boolean =>
  query[stream] && (query.since === null || at >= query.since)

/** Length of the first whole message; 0 when there is none yet. */
function messageEnd(bytes: Buffer): number {
  const at = bytes.indexOf(newline)
  if (at >= 0 && at < maxMessageBytes) return at + 1
  return bytes.length >= maxMessageBytes ? maxMessageBytes : 0
}

const decode = (text: Uint8Array): string => new TextDecoder().decode(text)
