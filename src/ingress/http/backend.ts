import type { NodeId } from '../../../mesh/base/ids.ts'
import { Ejection } from '../../routing/ejection.ts'
import { PeakLatency } from '../../routing/peak-latency.ts'
import type { Endpoint } from '../../routing/route-table.ts'
import { HttpCounters } from './counters.ts'
import type { Upstream } from './upstream.ts'

/** Servers that do not say when they close an idle connection do so after five seconds or more. */
const guessedIdleMs = 4000
/** Ahead of the moment that the other side has said. */
const idleMarginMs = 1000
/** Half of its time must be left when a request could not be sent a second time. */
const freshShare = 0.5
const idleMax = 128
/** How long a connection that was closed in order may take to be gone. */
const closingMs = 2000
/** Differences below this are noise. */
const latencyFloorMs = 5

/** One task behind one port: its connections, how it does, what became of its requests. */
export class Backend {
  readonly task: string
  readonly node: NodeId
  readonly generation: number
  readonly latency = new PeakLatency()
  readonly ejection = new Ejection()
  readonly counters = new HttpCounters()
  /** It drains or has left the table: a connection that is given back now would hold it up. */
  isStray = false
  readonly #idle: Upstream[] = []
  readonly #closing = new Map<Upstream, number>()

  constructor({ task, node, generation }: Endpoint) {
    this.task = task
    this.node = node
    this.generation = generation
  }

  get idleCount(): number {
    return this.#idle.length
  }

  get isUnused(): boolean {
    return this.counters.inFlight === 0 && this.#idle.length === 0 && this.#closing.size === 0
  }

  /** What one more request costs: how long it would wait for those before it. */
  cost(nowMs: number): number {
    return Math.max(latencyFloorMs, this.latency.at(nowMs)) * (this.counters.inFlight + 1)
  }

  /** The one used last, which is the least likely to be closed. */
  take(nowMs: number, isRepeatable: boolean): Upstream | null {
    for (;;) {
      const upstream = this.#idle.pop()
      if (upstream === undefined) return null
      const idleMs = nowMs - upstream.idleSinceMs
      const limitMs = idleLimitMs(upstream)
      if (idleMs < (isRepeatable ? limitMs : limitMs * freshShare)) return upstream
      this.close(upstream, nowMs)
    }
  }

  give(upstream: Upstream, nowMs: number): void {
    if (this.#idle.length >= idleMax || idleLimitMs(upstream) <= 0) {
      this.close(upstream, nowMs)
      return
    }
    // In this order: bytes that should not be there may come at once, and then it is lost again.
    this.#idle.push(upstream)
    upstream.rest(nowMs)
  }

  close(upstream: Upstream, nowMs: number): void {
    this.#closing.set(upstream, nowMs + closingMs)
    upstream.close()
  }

  /** Its connection is gone, or about to be, of itself. */
  lost(upstream: Upstream): void {
    const at = this.#idle.indexOf(upstream)
    if (at >= 0) this.#idle.splice(at, 1)
    this.#closing.delete(upstream)
  }

  closeIdle(nowMs: number): void {
    for (const upstream of this.#idle.splice(0)) this.close(upstream, nowMs)
  }

  /** Closes what has been idle for too long, and ends what does not close. */
  sweep(nowMs: number): void {
    while (this.#idle[0] !== undefined && isStale(this.#idle[0], nowMs)) {
      const stale = this.#idle.shift()
      if (stale !== undefined) this.close(stale, nowMs)
    }
    for (const [upstream, endMs] of this.#closing) {
      if (nowMs < endMs) continue
      this.#closing.delete(upstream)
      upstream.reset()
    }
  }

  resetAll(): void {
    for (const upstream of this.#idle.splice(0)) upstream.reset()
    for (const upstream of this.#closing.keys()) upstream.reset()
    this.#closing.clear()
  }
}

function idleLimitMs({ keepAliveSeconds }: Upstream): number {
  return keepAliveSeconds === null ? guessedIdleMs : keepAliveSeconds * 1000 - idleMarginMs
}

const isStale = (upstream: Upstream, nowMs: number): boolean =>
  nowMs - upstream.idleSinceMs >= idleLimitMs(upstream)
