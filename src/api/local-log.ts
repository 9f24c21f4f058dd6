import { MeshError } from '../../mesh/base/mesh-error.ts'
import type { ClusterView } from '../model/observed.ts'
import { hasEnded } from '../model/task-state.ts'
import { nodeById } from '../model/node-view.ts'
import { taskById } from '../model/task-view.ts'
import type { ApiDeps } from './deps.ts'
import { LogCursor, type LogPlace } from './log-cursor.ts'
import { note, type TaskLine } from './log-line.ts'
import type { LogLine, LogQuery } from '../model/log-line.ts'
import { logTime } from './log-time.ts'
import { pause } from './pause.ts'

/** Which log, and from where on. */
export interface TaskLog {
  readonly task: string
  readonly place: LogPlace | null
}

type Deps = Pick<ApiDeps, 'node' | 'taskLogs' | 'view' | 'clock'>

/** A container that has not started, or an engine that does not answer, is asked again after this. */
const againMs = 500

/** What a task of this very node printed, to its end; one that is followed ends with the task. */
export class LocalLog {
  readonly #task: string
  readonly #cursor: LogCursor
  readonly #deps: Deps
  readonly #isFollowed: boolean
  #query: LogQuery
  #hasComplained = false

  constructor({ task, place }: TaskLog, query: LogQuery, deps: Deps) {
    this.#task = task
    this.#cursor = new LogCursor(place)
    this.#deps = deps
    this.#isFollowed = query.follow
    this.#query = place === null ? query : this.#onwards(query, place.at)
  }

  async *read(signal: AbortSignal): AsyncGenerator<TaskLine | null> {
    while (!signal.aborted) {
      // Asked before it is read: what it printed until its end is then there, too.
      const isLast = !this.#isFollowed || hasTaskEnded(this.#deps.view(), this.#task)
      const askedAt = logTime(this.#deps.clock.nowMs())
      yield null
      try {
        yield* this.#lines(signal)
        this.#query = this.#onwards(this.#query, this.#cursor.place?.at ?? askedAt)
        if (isLast) return
      } catch (error) {
        if (signal.aborted) return
        yield* this.#complain(error)
        if (!this.#isFollowed) return
      }
      await pause(this.#deps.clock, againMs, signal)
    }
  }

  async *#lines(signal: AbortSignal): AsyncGenerator<TaskLine> {
    this.#cursor.rewind()
    const lines: AsyncIterable<LogLine> = this.#deps.taskLogs(this.#task, this.#query, signal)
    for await (const line of lines) {
      this.#hasComplained = false
      if (this.#cursor.takes(line.at)) yield { ...line, task: this.#task }
    }
  }

  #onwards(query: LogQuery, at: string): LogQuery {
    const since = query.since !== null && query.since > at ? query.since : at
    return { ...query, tail: null, since }
  }

  *#complain(error: unknown): Generator<TaskLine> {
    if (this.#hasComplained) return
    this.#hasComplained = true
    const { node, view, clock } = this.#deps
    const name = nodeById(view().catalog, node.self)?.name ?? node.self
    const text = `the log of task ${this.#task} on node ${name} cannot be read: ${reasonOf(error)}`
    yield note({ task: this.#task, text, nowMs: clock.nowMs() })
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof MeshError) return String(error.fault['because'] ?? error.fault.code)
  return error instanceof Error ? error.message : String(error)
}

/** By what its node says, or else by what is written down. */
export function hasTaskEnded({ catalog, observed }: ClusterView, id: string): boolean {
  const task = taskById(catalog, id)
  if (task === undefined || task.hasEnded) return true
  const said = observed.tasks.get(id)
  return said !== undefined && said.node === task.node && hasEnded(said.record.state)
}
