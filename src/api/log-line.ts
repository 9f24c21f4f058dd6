import type { LogLine } from '../model/log-line.ts'
import { logTime } from './log-time.ts'

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
