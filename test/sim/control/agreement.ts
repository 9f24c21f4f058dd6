import { applyTransaction } from '../../../mesh/catalog/apply-transaction.ts'
import { Catalog } from '../../../mesh/catalog/catalog.ts'
import type { ApplyResult, CatalogDelta, Transaction } from '../../../mesh/catalog/types.ts'

export interface Agreed {
  readonly before: Catalog
  readonly after: Catalog
  readonly transaction: Transaction
}

/** What the managers agreed on, entry by entry: the real table, without the votes. */
export class Agreement {
  readonly #catalogs: Catalog[] = [Catalog.empty]
  readonly #deltas: CatalogDelta[] = []
  readonly #listeners: ((agreed: Agreed) => void)[] = []

  get index(): number {
    return this.#deltas.length
  }

  get catalog(): Catalog {
    return this.at(this.index)
  }

  at(index: number): Catalog {
    return this.#catalogs[index] ?? Catalog.empty
  }

  /** What the entry at this index changed. */
  delta(index: number): CatalogDelta | undefined {
    return this.#deltas[index - 1]
  }

  onAgreed(listener: (agreed: Agreed) => void): void {
    this.#listeners.push(listener)
  }

  append(transaction: Transaction): ApplyResult {
    const before = this.catalog
    const { catalog, result, delta } = applyTransaction(before, transaction, this.index + 1)
    this.#catalogs.push(catalog)
    this.#deltas.push(delta)
    if (result.kind === 'applied') {
      for (const listener of this.#listeners) listener({ before, after: catalog, transaction })
    }
    return result
  }
}
