import { appendFile, mkdir, readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import type { Log } from '../../mesh/base/log.ts'
import type { EventStore, StoredEvent } from '../api/event-log.ts'

const maxFileBytes = 4 * 1024 * 1024
/** While the disk is slow; what comes beyond is not kept. */
const maxWaiting = 10_000
const mode = { directory: 0o700, file: 0o600 }

const storedEvent: z.ZodType<StoredEvent> = z.object({
  index: z.int(),
  event: z.object({
    Type: z.string(),
    Action: z.enum(['create', 'update', 'remove']),
    Actor: z.object({ ID: z.string(), Attributes: z.record(z.string(), z.string()) }),
    scope: z.literal('swarm'),
    time: z.number(),
    timeNano: z.number(),
  }),
})

/** The latest events in two files, one a line; when the new one is full it becomes the old one. */
export class EventFile implements EventStore, AsyncDisposable {
  readonly past: readonly StoredEvent[]
  readonly #paths: Paths
  readonly #log: Log
  #waiting: string[] = []
  #bytes: number
  #isFailing = false
  #written: Promise<void> | null = null

  private constructor(
    paths: Paths,
    { past, bytes, log }: { past: readonly StoredEvent[]; bytes: number; log: Log },
  ) {
    this.#paths = paths
    this.past = past
    this.#bytes = bytes
    this.#log = log
  }

  static async open(dataDir: string, log: Log): Promise<EventFile> {
    const directory = join(dataDir, 'events')
    await mkdir(directory, { recursive: true, mode: mode.directory })
    const paths = { old: join(directory, 'old.jsonl'), new: join(directory, 'new.jsonl') }
    const past = [...(await readEvents(paths.old)), ...(await readEvents(paths.new))]
    const bytes = await stat(paths.new).then(
      ({ size }) => size,
      () => 0,
    )
    // A crash may have left half a line.
    if (bytes > 0) await appendFile(paths.new, '\n')
    return new EventFile(paths, { past, bytes, log })
  }

  append(events: readonly StoredEvent[]): void {
    if (this.#waiting.length >= maxWaiting) return
    this.#waiting.push(...events.map((event) => `${JSON.stringify(event)}\n`))
    this.#written ??= this.#write()
  }

  /** All that was appended is in the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#written
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const text = this.#waiting.splice(0).join('')
      try {
        if (this.#bytes > maxFileBytes) await this.#rotate()
        await appendFile(this.#paths.new, text, { mode: mode.file })
        this.#bytes += Buffer.byteLength(text)
        this.#isFailing = false
      } catch (error) {
        if (!this.#isFailing) this.#log.warn({ err: error }, 'events cannot be kept on disk')
        this.#isFailing = true
      }
    }
    this.#written = null
  }

  async #rotate(): Promise<void> {
    await rename(this.#paths.new, this.#paths.old)
    this.#bytes = 0
  }
}

interface Paths {
  readonly old: string
  readonly new: string
}

/** Lines that are none, such as the half one of a crash, are passed over. */
async function readEvents(path: string): Promise<StoredEvent[]> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return text.split('\n').flatMap((line) => {
    const event = storedEvent.safeParse(parseJson(line))
    return event.success ? [event.data] : []
  })
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return null
  }
}
