import type { Clock } from '../../mesh/base/clock.ts'
import type { NodeId } from '../../mesh/base/ids.ts'
import type { Observed } from '../model/observed.ts'
import { deriveRoutes } from '../routing/derive-routes.ts'
import type { RouteTable } from '../routing/route-table.ts'
import { SteadyTrust, type Trust } from '../routing/trust.ts'
import type { ClusterStore } from './cluster-store.ts'
import { coalesce } from './coalesce.ts'

export interface RouteFeedDeps {
  readonly self: NodeId
  readonly store: ClusterStore
  readonly clock: Clock
  readonly setRoutes: (table: RouteTable) => void
  /** Whether the table was heard of in this life of the daemon, not only read from its disk. */
  readonly isCurrent: () => boolean
  /** How long the other nodes get to tell what they run before an ingress in use gets a new table. */
  readonly settleMs: number
}

/** A table of an earlier life is used when no manager was heard of by then. */
const forsakenMs = 3000
/** Changes within this time make one table. */
const quietMs = 20

/**
 * Derives the route table after every change, and hands it on when it differs. Says nothing before
 * there is a catalog: an ingress that outlived its daemon goes on with the table it has.
 */
export class RouteFeed implements Disposable {
  readonly #deps: RouteFeedDeps
  readonly #derive: () => void
  #end = (): void => {}
  #settledAtMs = Infinity
  #forsakenAtMs = Infinity
  /** Grows also over restarts of the daemon: an ingress may know an older one's table. */
  #version: number
  readonly #trust = new SteadyTrust()
  #last = ''
  #cancelLook = (): void => {}

  constructor(deps: RouteFeedDeps) {
    this.#deps = deps
    this.#version = deps.clock.nowMs()
    this.#derive = coalesce(deps.clock, quietMs, () => this.#feed())
  }

  start(): void {
    const { clock, store, settleMs } = this.#deps
    this.#settledAtMs = clock.monotonicMs() + settleMs
    this.#forsakenAtMs = clock.monotonicMs() + forsakenMs
    this.#end = store.onChange(this.#derive)
    for (const delayMs of [settleMs, forsakenMs]) clock.after(delayMs, this.#derive)
  }

  [Symbol.dispose](): void {
    this.#end()
    this.#cancelLook()
  }

  #feed(): void {
    const { store, self, clock, isCurrent, setRoutes } = this.#deps
    const { view } = store
    const nowMs = clock.monotonicMs()
    if (view.catalog.index === 0 || nowMs < this.#settledAtMs) return
    if (!isCurrent() && nowMs < this.#forsakenAtMs) return
    const trust = this.#look(view.observed, nowMs)
    const table = deriveRoutes({ view, self, version: 0, trust })
    const text = JSON.stringify(table)
    if (text === this.#last) return
    this.#last = text
    this.#version++
    setRoutes({ ...table, version: this.#version })
  }

  /** What is not believed yet may be true later, although nothing changes. */
  #look(observed: Observed, nowMs: number): (node: NodeId) => Trust {
    this.#cancelLook()
    const waitMs = this.#trust.look(observed, nowMs)
    if (waitMs !== null) this.#cancelLook = this.#deps.clock.after(waitMs, this.#derive)
    return (node) => this.#trust.of(node)
  }
}
