import { logTime } from './log-time.ts'

/** What was asked of a log; the engine's own query, with the same names. */
export interface LogQuery {
  readonly stdout: boolean
  readonly stderr: boolean
  readonly follow: boolean
  /** So many of the last ones of each task; null: all. */
  readonly tail: number | null
  /** Both inclusive, written like `LogLine.at`. */
  readonly since: string | null
  readonly until: string | null
}

/** One message of a container; a line, unless it was too long for one message. */
export interface LogLine {
  /** RFC 3339 in UTC with nine decimals: in order as texts, too. */
  readonly at: string
  readonly stream: 'stdout' | 'stderr'
  /** What docker's `details` tells: `name=value` joined by commas. */
  readonly attributes: string
  /** With its line end, if it has one. */
  readonly text: Buffer
}

/** A `note` is meshd's own word about a log, to be shown on stderr. */
export interface TaskLine extends Omit<LogLine, 'stream'> {
  readonly task: string
  readonly stream: LogLine['stream'] | 'note'
}

/**
 * Lines of one or many tasks, by time. Null says that there is nothing else right now: the source
 * works, and nobody needs to wait for it.
 */
export type LogSource = AsyncIterable<TaskLine | null>

export interface Note {
  readonly task: string
  readonly text: string
  readonly nowMs: number
}

export const note = ({ task, text, nowMs }: Note): TaskLine => ({
  task,
  at: logTime(nowMs),
  stream: 'note',
  attributes: '',
  text: Buffer.from(`meshd: ${text}\n`),
})
