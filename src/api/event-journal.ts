import type { CatalogDelta, ObjectRef, StoredObject } from '../../mesh/catalog/types.ts'
import { factsOf, hasEvents, type Facts } from './event-facts.ts'

/** As docker's event stream has them. */
export interface ApiEvent {
  readonly Type: string
  readonly Action: 'create' | 'update' | 'remove'
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> }
  readonly scope: 'swarm'
  readonly time: number
  readonly timeNano: number
}

interface Remembered {
  readonly version: number
  readonly facts: Facts
}

/** What is found out about a manager, and stands in no table. */
export interface ManagerState {
  readonly name: string
  readonly leader: boolean
  readonly reachable: boolean
}

/** Turns the table's deltas into events, by what it remembers of each object. */
export class EventJournal {
  readonly #known = new Map<string, Remembered>()
  #managers: ReadonlyMap<string, ManagerState> | null = null
  #isPrimed = false

  /** A table that is read for the first time, or whole by a node that had none, is no news. */
  read(delta: CatalogDelta, nowMs: number): ApiEvent[] {
    const isNews = this.#isPrimed && !(delta.reset && this.#known.size === 0)
    const upserts = delta.upserts.filter(({ kind }) => hasEvents(kind))
    const removals = [...delta.removals, ...(delta.reset ? this.#missingFrom(upserts) : [])]
    const events = [
      ...removals.flatMap((ref) => this.#removed(ref, nowMs)),
      ...upserts.flatMap((object) => this.#changed(object)),
    ]
    this.#isPrimed = true
    return isNews ? events : []
  }

  /** The first answer is no news, either, nor is a manager that comes or goes: the table tells. */
  readManagers(managers: ReadonlyMap<string, ManagerState>, nowMs: number): ApiEvent[] {
    const before = this.#managers ?? managers
    this.#managers = managers
    return [...managers].flatMap(([id, now]) => {
      const old = before.get(id)
      if (old === undefined) return []
      const attributes = changes(managerFacts(old), managerFacts(now))
      if (Object.keys(attributes).length === 0) return []
      return [event({ kind: 'node', id }, 'update', { name: now.name, ...attributes }, nowMs)]
    })
  }

  #missingFrom(upserts: readonly StoredObject[]): ObjectRef[] {
    const present = new Set(upserts.map(keyOf))
    return [...this.#known.keys()]
      .filter((key) => !present.has(key))
      .map((key) => ({ kind: key.split('/')[0] ?? '', id: key.split('/')[1] ?? '' }))
  }

  #removed(ref: ObjectRef, nowMs: number): ApiEvent[] {
    const before = this.#known.get(keyOf(ref))
    if (before === undefined) return []
    this.#known.delete(keyOf(ref))
    return [event(ref, 'remove', before.facts.always, nowMs)]
  }

  #changed(object: StoredObject): ApiEvent[] {
    const facts = factsOf(object)
    if (facts === null) return []
    const before = this.#known.get(keyOf(object))
    this.#known.set(keyOf(object), { version: object.version, facts })
    if (before?.version === object.version) return []
    const { always, changing, reason } = facts
    if (before === undefined) {
      const attributes = object.kind === 'task' ? { ...always, ...changing, ...reason } : always
      return [event(object, 'create', attributes, object.updatedAtMs)]
    }
    const differences = changes(before.facts.changing, changing)
    // The leader notes much about a task that nobody waits for.
    if (object.kind === 'task' && Object.keys(differences).length === 0) return []
    return [event(object, 'update', { ...always, ...differences, ...reason }, object.updatedAtMs)]
  }
}

const managerFacts = ({ leader, reachable }: ManagerState): Readonly<Record<string, string>> => ({
  leader: String(leader),
  reachability: reachable ? 'reachable' : 'unreachable',
})

const keyOf = ({ kind, id }: ObjectRef): string => `${kind}/${id}`

/** `replicas.old`, `replicas.new`, for what differs. */
function changes(
  before: Readonly<Record<string, string>>,
  now: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const differing = Object.keys(now).filter((name) => (before[name] ?? '') !== now[name])
  return Object.fromEntries(
    differing.flatMap((name) => [
      [`${name}.old`, before[name] ?? ''],
      [`${name}.new`, now[name] ?? ''],
    ]),
  )
}

function event(
  { kind, id }: ObjectRef,
  Action: ApiEvent['Action'],
  Attributes: Readonly<Record<string, string>>,
  atMs: number,
): ApiEvent {
  const time = Math.floor(atMs / 1000)
  const Actor = { ID: id, Attributes }
  return { Type: kind, Action, Actor, scope: 'swarm', time, timeNano: Math.floor(atMs) * 1e6 }
}
