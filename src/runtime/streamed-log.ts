import { write } from 'node:fs'
import { promisify } from 'node:util'
import { pino } from 'pino'
import type { Clock } from '../../mesh/base/clock.ts'
import type { LogFacts } from '../../mesh/base/log.ts'
import { prettyLine } from './pretty-line.ts'

export interface StreamedLogOptions {
  readonly format: 'json' | 'pretty'
  /** As in `LogOptions`. */
  readonly name: string
  readonly area: string
  /** The same for all lines. */
  readonly message: string
  /** Standard error, if absent. */
  readonly descriptor?: number
}

const writeTo = promisify(write)
/** What a pipe takes at once, so that no other writer's line comes in between. */
const pieceBytes = 4096
const retryMs = 20
const retriesMax = 50
const settleLimitMs = 1000

/**
 * Lines of which there may be many, in the shape of the log's, written without holding anything up:
 * a reader that is slow is waited for by whoever has more lines, and by nobody else. They are
 * wanted for themselves: no level silences them.
 */
export class StreamedLog {
  readonly #options: StreamedLogOptions
  #lines: string[] = []
  readonly #logger = pino({ base: null }, { write: (line) => void this.#lines.push(line) })
  #written: Promise<void> = Promise.resolve()

  constructor(options: StreamedLogOptions) {
    this.#options = options
  }

  /** Resolves once they are written, or nobody would take them. */
  write(lines: readonly LogFacts[]): Promise<void> {
    const { name, area, message, format } = this.#options
    const base = name === '' ? { area } : { node: name, area }
    for (const facts of lines) this.#logger.info({ ...base, ...facts }, message)
    const texts = this.#lines.map((line) => (format === 'json' ? line : prettyLine(line)))
    this.#lines = []
    this.#written = this.#written.then(() => this.#writeAll(texts))
    return this.#written
  }

  /** For whoever is about to end: what is under way is written, or will not be. */
  settled(clock: Clock): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = clock.after(settleLimitMs, resolve)
    return Promise.race([this.#written, promise]).finally(cancel)
  }

  async #writeAll(texts: readonly string[]): Promise<void> {
    for (const piece of piecesOf(texts)) {
      if (!(await this.#writeWhole(piece))) return
    }
  }

  async #writeWhole(piece: Buffer): Promise<boolean> {
    const descriptor = this.#options.descriptor ?? 2
    let at = 0
    for (let tries = 0; at < piece.length && tries < retriesMax;) {
      try {
        at += (await writeTo(descriptor, piece, at)).bytesWritten
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return false
        tries += 1
        await new Promise((resolve) => setTimeout(resolve, retryMs))
      }
    }
    return at === piece.length
  }
}

/** As many whole lines in each as a pipe takes at once. */
function piecesOf(texts: readonly string[]): Buffer[] {
  const pieces: Buffer[] = []
  let gathered: Buffer[] = []
  let bytes = 0
  for (const line of texts.map((text) => Buffer.from(text))) {
    if (bytes > 0 && bytes + line.length > pieceBytes) {
      pieces.push(Buffer.concat(gathered))
      gathered = []
      bytes = 0
    }
    gathered.push(line)
    bytes += line.length
  }
  return bytes === 0 ? pieces : [...pieces, Buffer.concat(gathered)]
}
