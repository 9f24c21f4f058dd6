import type { ApiEvent } from '../client/types.ts'
import { parseTemplate } from './go-template.ts'
import { parseMoment } from './moment.ts'
import { parseFilterFlags, type Session } from './session.ts'

export interface EventFlags {
  readonly since?: string
  readonly until?: string
  readonly filter?: readonly string[]
  readonly format?: string
}

/** What happens in the cluster, a line each. */
export async function showEvents({ io, client }: Session, flags: EventFlags): Promise<void> {
  const render = rendererOf(flags.format)
  const events = client.events({
    since: parseMoment(io, 'since', flags.since),
    until: parseMoment(io, 'until', flags.until),
    filters: parseFilterFlags(flags.filter),
  })
  for await (const event of events) io.out(`${render(event)}\n`)
}

function rendererOf(format: string | undefined): (event: ApiEvent) => string {
  if (format === undefined || format === '') return inWords
  if (format === 'json') return JSON.stringify
  const template = parseTemplate(format)
  // Docker's names for the fields, beside those that the API has.
  return (event) => template.render({ ...event, ID: event.Actor.ID, Scope: event.scope })
}

/** As docker writes it. */
function inWords({ timeNano, Type, Action, Actor }: ApiEvent): string {
  const attributes = Object.entries(Actor.Attributes)
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
  const time = `${new Date(timeNano / 1e6).toISOString().slice(0, -1)}000000Z`
  return `${time} ${Type} ${Action} ${Actor.ID} (${attributes.join(', ')})`
}
