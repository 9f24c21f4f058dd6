import type { CatalogDelta, StoredObject } from '../../mesh/catalog/types.ts'
import type { Node, Service } from '../model/docker.ts'
import { modeView } from '../model/service-view.ts'

/** As docker's event stream has them. */
export interface ApiEvent {
  readonly Type: string
  readonly Action: 'create' | 'update' | 'remove'
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> }
  readonly scope: 'swarm'
  readonly time: number
  readonly timeNano: number
}

type Facts = Readonly<Record<string, string>>

/** What people want to know of an object's change; kinds that are not here make no events. */
const factsOf: Readonly<Record<string, (body: unknown) => Facts>> = {
  service: (body) => {
    const { Spec } = body as Service
    const mode = modeView(Spec.Mode)
    const replicas = mode.kind === 'replicated' ? { replicas: String(mode.replicas) } : {}
    return { name: Spec.Name, image: Spec.TaskTemplate.ContainerSpec.Image, ...replicas }
  },
  node: (body) => {
    const { Spec, Description, Status } = body as Node
    const { Availability: availability, Role: role } = Spec
    return { name: Spec.Name || Description.Hostname, availability, role, state: Status.State }
  },
}

interface Remembered {
  readonly version: number
  readonly facts: Facts
}

/** Turns the table's deltas into events, by what it remembers of each object. */
export class EventJournal {
  readonly #known = new Map<string, Remembered>()
  #isPrimed = false

  /** The first delta holds everything there is, and is no news. */
  read(delta: CatalogDelta, nowMs: number): ApiEvent[] {
    const upserts = delta.upserts.filter(({ kind }) => Object.hasOwn(factsOf, kind))
    const removals = [...delta.removals, ...(delta.reset ? this.#missingFrom(upserts) : [])]
    const events = [
      ...removals.flatMap((ref) => this.#removed(ref, nowMs)),
      ...upserts.flatMap((object) => this.#changed(object)),
    ]
    if (this.#isPrimed) return events
    this.#isPrimed = true
    return []
  }

  #missingFrom(upserts: readonly StoredObject[]): { kind: string; id: string }[] {
    const present = new Set(upserts.map(keyOf))
    return [...this.#known.keys()]
      .filter((key) => !present.has(key))
      .map((key) => ({ kind: key.split('/')[0] ?? '', id: key.split('/')[1] ?? '' }))
  }

  #removed(ref: { readonly kind: string; readonly id: string }, nowMs: number): ApiEvent[] {
    const before = this.#known.get(keyOf(ref))
    if (before === undefined) return []
    this.#known.delete(keyOf(ref))
    return [event(ref, 'remove', { name: before.facts['name'] ?? '' }, nowMs)]
  }

  #changed(object: StoredObject): ApiEvent[] {
    const before = this.#known.get(keyOf(object))
    if (before?.version === object.version) return []
    const facts = factsOf[object.kind]?.(object.body) ?? {}
    this.#known.set(keyOf(object), { version: object.version, facts })
    const attributes = { name: facts['name'] ?? '', ...changes(before?.facts ?? facts, facts) }
    const action = before === undefined ? 'create' : 'update'
    return [event(object, action, attributes, object.updatedAtMs)]
  }
}

const keyOf = ({ kind, id }: { readonly kind: string; readonly id: string }): string =>
  `${kind}/${id}`

/** `replicas.old`, `replicas.new`, for what differs. */
function changes(before: Facts, now: Facts): Facts {
  const differing = Object.keys(now).filter((name) => before[name] !== now[name])
  return Object.fromEntries(
    differing.flatMap((name) => [
      [`${name}.old`, before[name] ?? ''],
      [`${name}.new`, now[name] ?? ''],
    ]),
  )
}

function event(
  { kind, id }: { readonly kind: string; readonly id: string },
  Action: ApiEvent['Action'],
  Attributes: Facts,
  atMs: number,
): ApiEvent {
  const time = Math.floor(atMs / 1000)
  const Actor = { ID: id, Attributes }
  return { Type: kind, Action, Actor, scope: 'swarm', time, timeNano: Math.floor(atMs) * 1e6 }
}
