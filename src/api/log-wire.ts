import { StringDecoder } from 'node:string_decoder'
import * as z from 'zod'
import { isId } from '../../mesh/base/ids.ts'
import { badRequest } from './api-error.ts'
import type { TaskLog } from './local-log.ts'
import type { TaskLine } from './log-line.ts'

/**
 * How one node hands its lines to another: JSON, one a line; the text is one character a byte, for
 * programs print what they like. An empty line says that there is nothing new.
 */
export const logLinesType = 'application/vnd.meshd.log-lines'

export const quietLine = '\n'

const maxLineLength = 4 * 1024 * 1024

const lineSchema = z.object({
  task: z.string().refine(isId),
  at: z.string().length(30),
  stream: z.enum(['stdout', 'stderr', 'note']),
  attributes: z.string(),
  text: z.string(),
})

export const encodeLine = (line: TaskLine): string =>
  `${JSON.stringify({ ...line, text: Buffer.from(line.text).toString('latin1') })}\n`

/** Null for a line that says nothing. */
export async function* decodeLines(stream: AsyncIterable<Buffer>): AsyncGenerator<TaskLine | null> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  for await (const chunk of stream) {
    const lines = (rest + decoder.write(chunk)).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > maxLineLength) throw new Error('an endless line')
    for (const line of lines) yield line === '' ? null : decodeLine(line)
  }
}

function decodeLine(text: string): TaskLine {
  const line = lineSchema.parse(JSON.parse(text))
  return { ...line, text: Buffer.from(line.text, 'latin1') }
}

/** `<task id>`, or with the place to go on from: `<task id>@<time>@<count>`. */
export const formatTaskLog = ({ task, place }: TaskLog): string =>
  place === null ? task : `${task}@${place.at}@${place.count}`

export function parseTaskLog(text: string): TaskLog {
  const [task = '', at, count = ''] = text.split('@')
  if (isId(task) && at === undefined) return { task, place: null }
  if (isId(task) && at?.length === 30 && /^\d{1,9}$/.test(count)) {
    return { task, place: { at, count: Number(count) } }
  }
  throw badRequest(`invalid task ${JSON.stringify(text)}`)
}
