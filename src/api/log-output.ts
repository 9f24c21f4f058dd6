import type { ServerResponse } from 'node:http'
import type { TaskLine } from './log-line.ts'
import { write } from './streaming.ts'

export interface LogOutputOptions {
  /** A task with a terminal has one stream only, which docker sends bare. */
  readonly isRaw: boolean
  readonly timestamps: boolean
  readonly details: boolean
  /** Docker's `com.docker.swarm.…` details of a task. */
  readonly contextOf: (task: string) => Readonly<Record<string, string>>
}

const streamNumbers = { stdout: 1, stderr: 2, note: 2 } as const

/** Lines as docker's clients read them: `time details text`, in a frame each. */
export class LogOutput {
  readonly #res: ServerResponse
  readonly #options: LogOutputOptions
  readonly #contexts = new Map<string, string>()

  constructor(res: ServerResponse, options: LogOutputOptions) {
    this.#res = res
    this.#options = options
    const kind = options.isRaw ? 'raw' : 'multiplexed'
    res.writeHead(200, { 'content-type': `application/vnd.docker.${kind}-stream` })
    res.flushHeaders()
  }

  /** False when the client went away. */
  write(line: TaskLine): Promise<boolean> {
    const { timestamps, details, isRaw } = this.#options
    const prefix = `${timestamps ? `${line.at} ` : ''}${details ? `${this.#details(line)} ` : ''}`
    const message = Buffer.concat([Buffer.from(prefix), line.text])
    return write(this.#res, isRaw ? message : frame(streamNumbers[line.stream], message))
  }

  end(): void {
    this.#res.end()
  }

  #details({ task, attributes }: TaskLine): string {
    let context = this.#contexts.get(task)
    if (context === undefined) {
      context = Object.entries(this.#options.contextOf(task))
        .map(([name, value]) => `com.docker.swarm.${name}=${encodeURIComponent(value)}`)
        .join(',')
      this.#contexts.set(task, context)
    }
    return attributes === '' ? context : `${attributes},${context}`
  }
}

/** stream(1) 0(3) length(4), then the message. */
function frame(stream: number, message: Buffer): Buffer {
  const head = Buffer.alloc(8)
  head[0] = stream
  head.writeUInt32BE(message.length, 4)
  return Buffer.concat([head, message])
}
