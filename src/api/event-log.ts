import type { Clock } from '../../mesh/base/clock.ts'
import { nodeId } from '../../mesh/base/ids.ts'
import type { MeshNode } from '../../mesh/node/mesh-node.ts'
import { nodesOf } from '../model/node-view.ts'
import type { ClusterView } from '../model/observed.ts'
import { EventJournal, type ApiEvent, type ManagerState } from './event-journal.ts'

/** What happened, and the index of the table at which it was learnt. */
export interface StoredEvent {
  readonly index: number
  readonly event: ApiEvent
}

/** Keeps events over a restart of the daemon; a word of it that is lost costs a gap in history. */
export interface EventStore {
  append(events: readonly StoredEvent[]): void
}

export interface EventLogDeps {
  readonly node: Pick<MeshNode, 'role' | 'watchCatalog' | 'leader'>
  readonly view: () => ClusterView
  readonly watchView: (listener: () => void) => () => void
  readonly clock: Clock
  readonly store: EventStore
}

export const eventLimit = 10_000
/** The mesh does not say when its leader changes. */
const managersPeriodMs = 1_000

/**
 * The latest events of the cluster, numbered. Readers hold a number, not events: who is slower than
 * the cluster changes misses some, and costs nothing.
 */
export class EventLog implements Disposable {
  readonly #deps: EventLogDeps
  readonly #journal = new EventJournal()
  readonly #listeners = new Set<() => void>()
  readonly #ends: readonly (() => void)[]
  #events: StoredEvent[]
  /** Number of the first event that is kept. */
  #first = 0
  #index: number

  /** `past` are the events that earlier daemons stored. */
  constructor(past: readonly StoredEvent[], deps: EventLogDeps) {
    this.#deps = deps
    this.#events = past.slice(-eventLimit)
    this.#index = this.#events.at(-1)?.index ?? 0
    const look = (): void => this.#lookAtManagers()
    this.#ends = [
      deps.node.watchCatalog((delta) => {
        const events = this.#journal.read(delta, deps.clock.nowMs())
        // After a restart the table is filled again from the log: what is old was told before.
        if (delta.index > this.#index) this.#add(events, delta.index)
      }),
      deps.watchView(look),
      deps.clock.every(managersPeriodMs, look),
    ]
  }

  /** The number that the next event will have. */
  get next(): number {
    return this.#first + this.#events.length
  }

  /** Number of the first event that is kept. */
  get first(): number {
    return this.#first
  }

  at(number: number): ApiEvent | undefined {
    return this.#events[number - this.#first]?.event
  }

  /** Calls `listener` after each new event; returns the function that ends it. */
  watch(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  get watcherCount(): number {
    return this.#listeners.size
  }

  [Symbol.dispose](): void {
    for (const end of this.#ends) end()
    this.#listeners.clear()
  }

  #lookAtManagers(): void {
    const { view, node, clock } = this.#deps
    const { leader } = node.leader()
    const { catalog, observed } = view()
    const managers = nodesOf(catalog)
      .filter(({ role }) => role === 'manager')
      .map(({ id, name }): [string, ManagerState] => {
        const reachable = observed.members.get(nodeId(id))?.state !== 'dead'
        return [id, { name, leader: id === leader, reachable }]
      })
    this.#add(this.#journal.readManagers(new Map(managers), clock.nowMs()), this.#index)
  }

  /** Workers see too little of the cluster to tell what happens in it. */
  #add(events: readonly ApiEvent[], index: number): void {
    this.#index = index
    if (events.length === 0 || this.#deps.node.role !== 'manager') return
    const stored = events.map((event) => ({ index, event }))
    this.#events.push(...stored)
    const surplus = this.#events.length - eventLimit
    if (surplus > 0) {
      this.#events.splice(0, surplus)
      this.#first += surplus
    }
    this.#deps.store.append(stored)
    for (const listener of this.#listeners) listener()
  }
}
