import type { ApiContext } from './api-context.ts'
import { badRequest } from './api-error.ts'
import type { ApiEvent } from './event-journal.ts'
import type { EventLog } from './event-log.ts'
import type { Exchange } from './exchange.ts'
import { parseFilters, passes, passesLabels, type Filters } from './filters.ts'
import { parseRfc3339 } from '../model/rfc3339.ts'
import { closingSignal, write } from './streaming.ts'

const kinds = ['service', 'node', 'task', 'network', 'secret', 'config'] as const
const filterKeys = ['type', 'event', 'scope', 'label', ...kinds]

/** What happens from now on, an object a line; with `since` or `until` what happened, too. */
export async function streamEvents(context: ApiContext, exchange: Exchange): Promise<void> {
  const { req, res, query } = exchange
  const filters = parseFilters(query, filterKeys)
  const sinceMs = parseTime(query, 'since')
  const untilMs = parseTime(query, 'until')
  await context.currentView()
  context.streams.take(res)
  const { events, clock } = context.deps
  const signal = closingSignal(req, res)
  res.writeHead(200, { 'content-type': 'application/json' })
  res.flushHeaders()
  const isLive = sinceMs === null && untilMs === null
  const follower = new EventFollower(events, isLive ? events.next : events.first, signal)
  const remainingMs = untilMs === null ? null : untilMs - clock.nowMs()
  const endWait =
    remainingMs === null ? () => {} : clock.after(Math.max(0, remainingMs), () => follower.finish())
  for await (const event of follower.read()) {
    const ms = event.timeNano / 1e6
    if (ms < (sinceMs ?? 0) || ms > (untilMs ?? Infinity) || !isWanted(event, filters)) continue
    if (!(await write(res, `${JSON.stringify(event)}\n`))) break
  }
  endWait()
  if (follower.isLate) res.destroy()
  else res.end()
}

/** Reads on as fast as its client does. */
class EventFollower {
  readonly #log: EventLog
  readonly #signal: AbortSignal
  #next: number
  #isFinished = false
  #isLate = false
  #wake = (): void => {}

  constructor(log: EventLog, next: number, signal: AbortSignal) {
    this.#log = log
    this.#next = next
    this.#signal = signal
  }

  /** It read slower than the cluster changes: it is cut off, and may come again. */
  get isLate(): boolean {
    return this.#isLate
  }

  /** It ends with what there is. */
  finish(): void {
    this.#isFinished = true
    this.#wake()
  }

  async *read(): AsyncGenerator<ApiEvent> {
    const wake = (): void => this.#wake()
    const endWatch = this.#log.watch(wake)
    this.#signal.addEventListener('abort', wake)
    try {
      while (!this.#signal.aborted) {
        const event = this.#log.at(this.#next)
        if (event !== undefined) {
          this.#next++
          yield event
        } else if (this.#next < this.#log.first) {
          this.#isLate = true
          return
        } else if (this.#isFinished) return
        else await new Promise<void>((resolve) => (this.#wake = resolve))
      }
    } finally {
      endWatch()
      this.#signal.removeEventListener('abort', wake)
    }
  }
}

function isWanted({ Type, Action, Actor, scope }: ApiEvent, filters: Filters): boolean {
  const { ID, Attributes } = Actor
  const isActor = (kind: string) => (reference: string) =>
    (Type === kind && (ID.startsWith(reference) || nameFits(kind, Attributes, reference))) ||
    (kind === 'service' && Type === 'task' && isOfService(Attributes, reference))
  return (
    passes(filters, 'type', (type) => type === Type) &&
    passes(filters, 'event', (action) => action === Action) &&
    passes(filters, 'scope', (wanted) => wanted === scope) &&
    passesLabels(filters, 'label', Attributes) &&
    kinds.every((kind) => passes(filters, kind, isActor(kind)))
  )
}

/** A task goes by `service.slot` as well. */
const nameFits = (
  kind: string,
  { name = '' }: Readonly<Record<string, string>>,
  reference: string,
): boolean => name === reference || (kind === 'task' && name.startsWith(`${reference}.`))

/** What happens to its tasks happens to a service. */
const isOfService = (attributes: Readonly<Record<string, string>>, reference: string): boolean =>
  attributes['service.name'] === reference ||
  attributes['service.id']?.startsWith(reference) === true

/** Seconds since 1970, perhaps with a fraction, or RFC 3339. */
function parseTime(query: URLSearchParams, name: string): number | null {
  const text = query.get(name) ?? ''
  if (text === '' || text === '0') return null
  const ms = /^\d{1,12}(\.\d+)?$/.test(text) ? Number(text) * 1000 : parseRfc3339(text)
  if (ms === null) throw badRequest(`invalid ${name} ${JSON.stringify(text)}`)
  return ms
}
