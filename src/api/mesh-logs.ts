import type { ServerResponse } from 'node:http'
import { badRequest } from './api-error.ts'
import type { ApiContext } from './api-context.ts'
import type { Exchange } from './exchange.ts'
import { LocalLog } from './local-log.ts'
import { LogMerge } from './log-merge.ts'
import { parseLogQuery } from './log-query.ts'
import { encodeLine, logLinesType, parseTaskLog, quietLine } from './log-wire.ts'
import { closingSignal, write } from './streaming.ts'

/** So many a call: they stand in its URL. */
export const maxTasksACall = 64
/** One engine is asked for all of them: their lines come close together. */
const windowMs = 100
const quietPeriodMs = 5_000

/**
 * Ours, and for other nodes: what tasks of this node printed. Workers answer it, too; only managers
 * are admitted, as to every call from another node.
 */
export async function meshLogs(context: ApiContext, { req, res, query }: Exchange): Promise<void> {
  const logQuery = parseLogQuery(query)
  const tasks = query.getAll('task').map(parseTaskLog)
  if (tasks.length > maxTasksACall) throw badRequest(`more than ${maxTasksACall} tasks in a call`)
  context.streams.take(res)
  const { clock } = context.deps
  const signal = closingSignal(req, res)
  res.writeHead(200, { 'content-type': logLinesType })
  const endQuiet = clock.every(quietPeriodMs, () => sayNothing(res))
  try {
    sayNothing(res)
    const window = logQuery.follow ? windowMs : Infinity
    const merge = new LogMerge({ clock, windowMs: window })
    for (const log of tasks) merge.add(new LocalLog(log, logQuery, context.deps).read(signal))
    merge.complete()
    for await (const line of merge.lines()) {
      if (!(await write(res, encodeLine(line)))) break
    }
    res.end()
  } finally {
    endQuiet()
  }
}

/** Who has not read yet what we said before needs no sign of life. */
function sayNothing(res: ServerResponse): void {
  if (!res.writableNeedDrain && !res.destroyed) res.write(quietLine)
}
