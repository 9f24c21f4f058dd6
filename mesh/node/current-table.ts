import type { ApplyResult, CatalogDelta, CatalogReader, Transaction } from '../catalog/types.ts'
import type { LeaderView } from './mesh-node.ts'
import type { ServiceTable } from './service-table.ts'

interface Subscription {
  readonly begin: (table: ServiceTable) => () => void
  end: () => void
}

/** The table that this node has now; who watches it is carried over to the next one. */
export class CurrentTable implements ServiceTable {
  readonly #subscriptions = new Set<Subscription>()
  #table: ServiceTable

  constructor(table: ServiceTable) {
    this.#table = table
  }

  /** Whoever watches begins anew: the new table's first word is a reset. */
  switchTo(table: ServiceTable): void {
    this.#table = table
    for (const subscription of this.#subscriptions) {
      subscription.end()
      subscription.end = subscription.begin(table)
    }
  }

  catalog(): CatalogReader {
    return this.#table.catalog()
  }

  watchCatalog(listener: (delta: CatalogDelta) => void): () => void {
    return this.#subscribe((table) => table.watchCatalog(listener))
  }

  propose(transaction: Transaction): Promise<ApplyResult> {
    return this.#table.propose(transaction)
  }

  barrier(): Promise<void> {
    return this.#table.barrier()
  }

  leader(): LeaderView {
    return this.#table.leader()
  }

  watchLeader(listener: (view: LeaderView) => void): () => void {
    return this.#subscribe((table) => table.watchLeader(listener))
  }

  handOver(): Promise<void> {
    return this.#table.handOver()
  }

  stop(): Promise<void> {
    return this.#table.stop()
  }

  #subscribe(begin: Subscription['begin']): () => void {
    const subscription = { begin, end: begin(this.#table) }
    this.#subscriptions.add(subscription)
    return () => {
      this.#subscriptions.delete(subscription)
      subscription.end()
    }
  }
}
