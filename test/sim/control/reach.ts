import type { Clock } from '../../../mesh/base/clock.ts'
import type { NodeId } from '../../../mesh/base/ids.ts'

/** Who can talk to whom: machines of one side of a partition, with a daemon that runs. */
export class Reach {
  readonly #side = new Map<NodeId, number>()
  readonly #up = new Set<NodeId>()
  readonly #listeners: (() => void)[] = []
  readonly #clock: Clock
  readonly #apartMs = new Map<NodeId, number>()

  constructor(nodes: readonly NodeId[], clock: Clock) {
    this.#clock = clock
    for (const node of nodes) this.#side.set(node, 0)
  }

  get nodes(): NodeId[] {
    return [...this.#side.keys()]
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener)
  }

  isUp(node: NodeId): boolean {
    return this.#up.has(node)
  }

  /** Packets pass between the machines, whether daemons run there or not. */
  isWired(one: NodeId, other: NodeId): boolean {
    return this.#side.get(one) === this.#side.get(other)
  }

  reaches(one: NodeId, other: NodeId): boolean {
    return this.isUp(one) && this.isUp(other) && this.isWired(one, other)
  }

  /** When this node was last without a daemon, or out of reach of others. */
  lastApartMs(node: NodeId): number {
    if (!this.isUp(node) || !this.isWhole) return this.#clock.monotonicMs()
    return this.#apartMs.get(node) ?? Number.NEGATIVE_INFINITY
  }

  get isWhole(): boolean {
    return new Set(this.#side.values()).size === 1
  }

  setUp(node: NodeId, isUp: boolean): void {
    this.#apartMs.set(node, this.#clock.monotonicMs())
    if (isUp) this.#up.add(node)
    else this.#up.delete(node)
    this.#changed()
  }

  cutOff(nodes: readonly NodeId[]): void {
    for (const node of nodes) this.#side.set(node, 1)
    this.#changed()
  }

  heal(): void {
    for (const node of this.nodes) {
      this.#side.set(node, 0)
      this.#apartMs.set(node, this.#clock.monotonicMs())
    }
    this.#changed()
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }
}
