import type { ServerResponse } from 'node:http'
import { parseRfc3339 } from '../model/rfc3339.ts'
import type { ApiContext } from './api-context.ts'
import { badRequest } from './api-error.ts'
import { EventJournal, type ApiEvent } from './event-journal.ts'
import type { Exchange } from './exchange.ts'
import { parseFilters, passes, type Filters } from './filters.ts'

const filterKeys = ['type', 'event', 'scope', 'service', 'node']
const backlogLimitBytes = 1024 * 1024

/** What changes from now on, an object a line; the past is not kept. */
export async function streamEvents(context: ApiContext, exchange: Exchange): Promise<void> {
  const { res, query } = exchange
  const filters = parseFilters(query, filterKeys)
  const untilMs = parseUntil(query)
  await context.currentView()
  res.writeHead(200, { 'content-type': 'application/json' })
  res.flushHeaders()
  const { clock, node } = context.deps
  const journal = new EventJournal()
  const endWatch = node.watchCatalog((delta) => {
    for (const event of journal.read(delta, clock.nowMs())) {
      if (isWanted(event, filters)) writeLine(res, event)
    }
  })
  const endWait =
    untilMs === null
      ? () => {}
      : clock.after(Math.max(0, untilMs - clock.nowMs()), () => void res.end())
  res.once('close', () => {
    endWatch()
    endWait()
  })
}

function writeLine(res: ServerResponse, event: ApiEvent): void {
  if (res.writableEnded) return
  res.write(`${JSON.stringify(event)}\n`)
  // Who reads slower than the cluster changes is cut off, and may come again.
  if (res.writableLength > backlogLimitBytes) res.destroy()
}

function isWanted({ Type, Action, Actor, scope }: ApiEvent, filters: Filters): boolean {
  const isActor = (kind: string) => (reference: string) =>
    Type === kind && (Actor.ID.startsWith(reference) || Actor.Attributes['name'] === reference)
  return (
    passes(filters, 'type', (type) => type === Type) &&
    passes(filters, 'event', (action) => action === Action) &&
    passes(filters, 'scope', (wanted) => wanted === scope) &&
    passes(filters, 'service', isActor('service')) &&
    passes(filters, 'node', isActor('node'))
  )
}

/** Seconds since 1970, perhaps with a fraction, or RFC 3339. */
function parseUntil(query: URLSearchParams): number | null {
  const text = query.get('until') ?? ''
  if (text === '' || text === '0') return null
  const ms = /^\d{1,12}(\.\d+)?$/.test(text) ? Number(text) * 1000 : parseRfc3339(text)
  if (ms === null) throw badRequest(`invalid until ${JSON.stringify(text)}`)
  return ms
}
