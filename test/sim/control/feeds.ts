import type { Clock } from '../../../mesh/base/clock.ts'
import type { NodeId } from '../../../mesh/base/ids.ts'
import type { Random } from '../../../mesh/base/random.ts'
import type { CatalogDelta } from '../../../mesh/catalog/types.ts'
import { project } from '../../../src/model/projection.ts'
import type { Agreement } from './agreement.ts'
import type { Reach } from './reach.ts'

export interface FeedsDeps {
  readonly clock: Clock
  readonly random: Random
  readonly reach: Reach
  readonly agreement: Agreement
  readonly managers: readonly NodeId[]
}

interface Copy {
  /** Up to here this node knows the table; a manager also after a restart. */
  index: number
  isDue: boolean
  listener: ((delta: CatalogDelta) => void) | null
  waiting: { readonly index: number; readonly resolve: () => void }[]
}

/** How late a node is at most when all is well. */
const delayMs = 150

/** Brings the table to managers, entry by entry, and to workers what they may see of it. */
export class Feeds {
  readonly #deps: FeedsDeps
  readonly #copies = new Map<NodeId, Copy>()

  constructor(deps: FeedsDeps) {
    this.#deps = deps
    const { reach, agreement } = deps
    for (const node of reach.nodes) {
      this.#copies.set(node, { index: 0, isDue: false, listener: null, waiting: [] })
    }
    agreement.onAgreed(() => this.#feedAll())
    reach.onChange(() => this.#feedAll())
  }

  watch(node: NodeId, listener: (delta: CatalogDelta) => void): () => void {
    const copy = this.#copyOf(node)
    copy.listener = listener
    listener(this.#whole(node, copy.index))
    return () => (copy.listener = null)
  }

  /** Its process ended. */
  forget(node: NodeId): void {
    const copy = this.#copyOf(node)
    copy.listener = null
    copy.waiting = []
  }

  /** Resolves when this node knows the table up to there; never when its process ends before. */
  applied(node: NodeId, index: number): Promise<void> {
    const copy = this.#copyOf(node)
    if (copy.index >= index) return Promise.resolve()
    this.#feedSoon(node)
    return new Promise((resolve) => copy.waiting.push({ index, resolve }))
  }

  #copyOf(node: NodeId): Copy {
    const copy = this.#copies.get(node)
    if (copy === undefined) throw new Error(`no node ${node}`)
    return copy
  }

  #feedAll(): void {
    for (const node of this.#copies.keys()) this.#feedSoon(node)
  }

  #feedSoon(node: NodeId): void {
    const copy = this.#copyOf(node)
    if (copy.isDue) return
    copy.isDue = true
    this.#deps.clock.after(1 + this.#deps.random.below(delayMs), () => {
      copy.isDue = false
      if (this.#deps.reach.isUp(node)) this.#feed(node, copy)
    })
  }

  #feed(node: NodeId, copy: Copy): void {
    const { managers, agreement, reach } = this.#deps
    const isManager = managers.includes(node)
    const near = managers.filter((one) => one !== node && reach.reaches(node, one))
    // Whoever hears a majority hears what is agreed on; a worker takes what its manager has.
    const sources = near.map((one) => this.#copyOf(one).index)
    const isCurrent = isManager && (near.length + 1) * 2 > managers.length
    const upTo = isCurrent ? agreement.index : Math.max(copy.index, ...sources)
    if (!isManager && upTo > copy.index) {
      copy.index = upTo
      copy.listener?.(this.#whole(node, upTo))
    }
    while (isManager && copy.index < upTo) {
      const delta = agreement.delta(++copy.index)
      if (delta !== undefined) copy.listener?.(delta)
    }
    const done = copy.waiting.filter(({ index }) => index <= copy.index)
    copy.waiting = copy.waiting.filter(({ index }) => index > copy.index)
    for (const { resolve } of done) resolve()
    // A worker's manager may itself be late.
    if (copy.index < agreement.index && near.length > 0) this.#feedSoon(node)
  }

  #whole(node: NodeId, index: number): CatalogDelta {
    const catalog = this.#deps.agreement.at(index)
    const isManager = this.#deps.managers.includes(node)
    const upserts = isManager ? catalog.all() : project(catalog, node)
    return { index, reset: true, upserts, removals: [] }
  }
}
