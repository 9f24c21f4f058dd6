import type { Clock } from '../base/clock.ts'
import type { NodeId } from '../base/ids.ts'
import type { Random } from '../base/random.ts'
import type { DialTarget } from './transport.ts'

const firstDelayMs = 200
const maxDelayMs = 5000
/** Of two nodes that start together the one with the smaller id dials; the other gives it this long. */
const courtesyMs = 300

/** `refused`: the machine answers, but nobody listens there. */
export type DialOutcome = 'connected' | 'refused' | 'failed'

export interface RedialDeps {
  readonly self: NodeId
  readonly dial: (target: DialTarget) => Promise<DialOutcome>
  readonly isConnected: (node: NodeId) => boolean
  readonly onRefused: (node: NodeId) => void
  readonly clock: Clock
  readonly random: Random
}

interface Entry {
  target: DialTarget
  failures: number
  isDialling: boolean
  cancelTimer: (() => void) | null
}

/**
 * Keeps connections to a set of members, for ever: libp2p itself gives up after a few tries. Each
 * target has at most one timer and one dial at a time.
 */
export class Redialler {
  readonly #deps: RedialDeps
  readonly #entries = new Map<NodeId, Entry>()
  #isStopped = false

  constructor(deps: RedialDeps) {
    this.#deps = deps
  }

  setTargets(targets: readonly DialTarget[]): void {
    if (this.#isStopped) return
    const wanted = new Map(targets.map((target) => [target.node, target]))
    wanted.delete(this.#deps.self)
    for (const [node, entry] of this.#entries) {
      if (wanted.has(node)) continue
      entry.cancelTimer?.()
      this.#entries.delete(node)
    }
    for (const [node, target] of wanted) this.#want(node, target)
  }

  /** The last connection is gone: dialled at once, since the answer tells whether the peer lives. */
  onDown(node: NodeId): void {
    const entry = this.#entries.get(node)
    if (entry === undefined || entry.isDialling) return
    entry.failures = 0
    this.#schedule(entry, 0)
  }

  onUp(node: NodeId): void {
    const entry = this.#entries.get(node)
    if (entry === undefined) return
    entry.failures = 0
    entry.cancelTimer?.()
    entry.cancelTimer = null
  }

  stop(): void {
    this.#isStopped = true
    for (const entry of this.#entries.values()) entry.cancelTimer?.()
    this.#entries.clear()
  }

  #want(node: NodeId, target: DialTarget): void {
    const known = this.#entries.get(node)
    if (known !== undefined) {
      const hasMoved =
        known.target.address !== target.address || known.target.peerId !== target.peerId
      known.target = target
      // Somewhere new, so what failed before says nothing.
      if (hasMoved && !known.isDialling && !this.#deps.isConnected(node)) this.#schedule(known, 0)
      return
    }
    const entry: Entry = { target, failures: 0, isDialling: false, cancelTimer: null }
    this.#entries.set(node, entry)
    const courtesy = this.#deps.self < node ? 0 : courtesyMs
    if (!this.#deps.isConnected(node)) this.#schedule(entry, courtesy)
  }

  #schedule(entry: Entry, delayMs: number): void {
    entry.cancelTimer?.()
    entry.cancelTimer = this.#deps.clock.after(delayMs, () => {
      entry.cancelTimer = null
      void this.#dial(entry)
    })
  }

  async #dial(entry: Entry): Promise<void> {
    const { node } = entry.target
    if (entry.isDialling || this.#deps.isConnected(node)) return
    entry.isDialling = true
    const outcome = await this.#deps.dial(entry.target)
    entry.isDialling = false
    if (this.#entries.get(node) !== entry) return
    if (outcome === 'refused') this.#deps.onRefused(node)
    if (this.#deps.isConnected(node)) return
    entry.failures++
    this.#schedule(entry, this.#backOffMs(entry.failures))
  }

  /** Doubling, and anywhere in the upper half of it, so that a cluster does not dial in step. */
  #backOffMs(failures: number): number {
    const fullMs = Math.min(maxDelayMs, firstDelayMs * 2 ** Math.min(failures - 1, 10))
    return fullMs / 2 + this.#deps.random.below(Math.ceil(fullMs / 2) + 1)
  }
}
