/** What has passed through a service's entries here, or into a task that runs here. */
export interface TrafficCount {
  readonly opened: number
  readonly open: number
  /** Connections that never reached a task. */
  readonly failed: number
  /** From clients towards tasks, and back. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** Datagrams that found no room, either way. */
  readonly dropped: number
}

export class Traffic implements TrafficCount {
  opened = 0
  open = 0
  failed = 0
  bytesIn = 0
  bytesOut = 0
  dropped = 0

  count(): TrafficCount {
    const { opened, open, failed, bytesIn, bytesOut, dropped } = this
    return { opened, open, failed, bytesIn, bytesOut, dropped }
  }
}

/** One traffic per id, made when first asked for. */
export class TrafficBook {
  readonly #byId = new Map<string, Traffic>()

  of(id: string): Traffic {
    const known = this.#byId.get(id)
    if (known !== undefined) return known
    const traffic = new Traffic()
    this.#byId.set(id, traffic)
    return traffic
  }

  openOf(id: string): number {
    return this.#byId.get(id)?.open ?? 0
  }

  counts(): (TrafficCount & { readonly id: string })[] {
    return [...this.#byId].map(([id, traffic]) => ({ id, ...traffic.count() }))
  }

  /** Forgets what is neither wanted nor in use: ids come and go for as long as the process lives. */
  keepOnly(wanted: ReadonlySet<string>): void {
    for (const [id, traffic] of this.#byId) {
      if (!wanted.has(id) && traffic.open === 0) this.#byId.delete(id)
    }
  }
}

/** The sum of what several threads counted. */
export function sumTraffic(counts: readonly TrafficCount[]): TrafficCount {
  const sum = new Traffic()
  for (const count of counts) {
    sum.opened += count.opened
    sum.open += count.open
    sum.failed += count.failed
    sum.bytesIn += count.bytesIn
    sum.bytesOut += count.bytesOut
    sum.dropped += count.dropped
  }
  return sum.count()
}
