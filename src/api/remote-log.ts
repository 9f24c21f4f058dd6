import type { IncomingMessage } from 'node:http'
import type { Clock } from '../../mesh/base/clock.ts'
import type { NodeId } from '../../mesh/base/ids.ts'
import { callNode, complaintIn } from './call-node.ts'
import type { ApiDeps } from './deps.ts'
import { LogCursor } from './log-cursor.ts'
import { note, type TaskLine } from './log-line.ts'
import type { LogQuery } from '../model/log-line.ts'
import { formatLogQuery } from './log-query.ts'
import { decodeLines, formatTaskLog } from './log-wire.ts'
import { pause } from './pause.ts'

export interface RemoteLogOptions {
  readonly node: NodeId
  /** For people. */
  readonly name: string
  readonly tasks: readonly string[]
  readonly query: LogQuery
  readonly signal: AbortSignal
}

type Deps = Pick<ApiDeps, 'dialLogs' | 'clock' | 'view'>

/** The other end says something every few seconds, be it nothing. */
const silenceLimitMs = 15_000
const firstRetryMs = 500
const maxRetryMs = 5_000

/** What tasks of another node printed, asked of that node; goes on where the stream broke. */
export class RemoteLog {
  readonly #options: RemoteLogOptions
  readonly #deps: Deps
  readonly #cursors: ReadonlyMap<string, LogCursor>
  #isLost = false
  #retryMs = firstRetryMs

  constructor(options: RemoteLogOptions, deps: Deps) {
    this.#options = options
    this.#deps = deps
    this.#cursors = new Map(options.tasks.map((task) => [task, new LogCursor(null)]))
  }

  async *read(): AsyncGenerator<TaskLine | null> {
    const { signal, query } = this.#options
    while (!signal.aborted) {
      try {
        yield* this.#lines()
        return
      } catch (error) {
        if (signal.aborted) return
        yield* this.#lost(error)
      }
      if (!query.follow || !this.#isKept()) return
      // Nobody waits for it while it is away.
      yield null
      await pause(this.#deps.clock, this.#retryMs, signal)
      this.#retryMs = Math.min(2 * this.#retryMs, maxRetryMs)
    }
  }

  /** As long as its task is there, its log may be. */
  #isKept(): boolean {
    const { catalog } = this.#deps.view()
    return this.#options.tasks.some((task) => catalog.get('task', task) !== undefined)
  }

  async *#lines(): AsyncGenerator<TaskLine | null> {
    const response = await this.#open()
    try {
      for await (const line of decodeLines(this.#chunks(response))) {
        yield* this.#back()
        if (line === null || line.stream === 'note') yield line
        else if (this.#cursors.get(line.task)?.takes(line.at) === true) yield line
      }
    } finally {
      response.destroy()
    }
  }

  /** A stream without an end was cut off. */
  async *#chunks(response: IncomingMessage): AsyncGenerator<Buffer> {
    const chunks = response[Symbol.asyncIterator]() as AsyncIterator<Buffer>
    for (;;) {
      const { done, value } = await within(this.#deps.clock, chunks.next(), silenceLimitMs)
      if (done !== true) yield value
      else if (response.complete) return
      else throw new Error('the stream broke off')
    }
  }

  async #open(): Promise<IncomingMessage> {
    const { node, signal } = this.#options
    const route = this.#deps.dialLogs(node)
    const response = await callNode(route, { path: this.#path(), signal, clock: this.#deps.clock })
    if (response.statusCode === 200) return response
    throw new Refused(await complaintIn(response))
  }

  #path(): string {
    const { query, tasks } = this.#options
    const logs = tasks.map((task): [string, string] => {
      const cursor = this.#cursors.get(task)
      // The other end leaves out what was read.
      return ['task', formatTaskLog({ task, place: cursor?.place ?? null })]
    })
    return `/mesh/logs?${new URLSearchParams([...formatLogQuery(query), ...logs]).toString()}`
  }

  *#lost(error: unknown): Generator<TaskLine> {
    if (this.#isLost) return
    this.#isLost = true
    const { name } = this.#options
    const fate = error instanceof Refused ? `refuses: ${error.message}` : 'cannot be reached'
    yield this.#note(`node ${name} ${fate}: its log lines are missing`)
  }

  *#back(): Generator<TaskLine> {
    this.#retryMs = firstRetryMs
    if (!this.#isLost) return
    this.#isLost = false
    yield this.#note(`node ${this.#options.name} answers again`)
  }

  #note(text: string): TaskLine {
    const [task = ''] = this.#options.tasks
    return note({ task, text, nowMs: this.#deps.clock.nowMs() })
  }
}

class Refused extends Error {}

function within<T>(clock: Clock, work: Promise<T>, limitMs: number): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const cancel = clock.after(limitMs, () => reject(new Error(`silent for ${limitMs / 1000} s`)))
  work.then(resolve, reject).finally(cancel)
  return promise
}
