import { badRequest } from './api-error.ts'
import { isSet } from './exchange.ts'
import type { LogQuery } from '../model/log-line.ts'
import { parseLogTime } from './log-time.ts'

export function parseLogQuery(query: URLSearchParams): LogQuery {
  const stdout = isSet(query, 'stdout')
  const stderr = isSet(query, 'stderr')
  if (!stdout && !stderr) {
    throw badRequest(
      'Bad parameters: you must choose at least one stream',
      'stdout, stderr or both',
    )
  }
  return {
    stdout,
    stderr,
    follow: isSet(query, 'follow'),
    tail: parseTail(query.get('tail') ?? ''),
    since: parseTime(query, 'since'),
    until: parseTime(query, 'until'),
  }
}

/** What `parseLogQuery` reads. */
export const formatLogQuery = (query: LogQuery): [string, string][] => [
  ['stdout', query.stdout ? '1' : '0'],
  ['stderr', query.stderr ? '1' : '0'],
  ['follow', query.follow ? '1' : '0'],
  ['tail', query.tail === null ? 'all' : String(query.tail)],
  ['since', query.since ?? ''],
  ['until', query.until ?? ''],
]

function parseTail(text: string): number | null {
  if (text === '' || text === 'all') return null
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw badRequest(`invalid tail ${JSON.stringify(text)}`, 'it is a number of lines, or all')
}

function parseTime(query: URLSearchParams, name: string): string | null {
  const text = query.get(name) ?? ''
  if (text === '' || text === '0') return null
  const time = parseLogTime(text)
  if (time !== null) return time
  throw badRequest(
    `invalid ${name} ${JSON.stringify(text)}`,
    'it is seconds since 1970, or RFC 3339 such as 2026-01-02T03:04:05Z',
  )
}
