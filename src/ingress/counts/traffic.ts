import type { PeerCount, TrafficCount } from '../../wire/ingress-counts.ts'

/** What has passed through an entry here, or into a task that runs here. */
export class Traffic implements TrafficCount {
  opened = 0
  open = 0
  failed = 0
  bytesIn = 0
  bytesOut = 0
  dropped = 0
}

/** What tunnels from and to one other node have carried. */
export class PeerTraffic implements PeerCount {
  opened = 0
  open = 0
  gone = 0
  bytesIn = 0
  bytesOut = 0
  pings = 0
  latePings = 0
}

/** One set of numbers per id, made when first asked for. */
class Book<Numbers extends { open: number }> {
  readonly #byId = new Map<string, Numbers>()
  readonly #make: () => Numbers

  constructor(make: () => Numbers) {
    this.#make = make
  }

  of(id: string): Numbers {
    const known = this.#byId.get(id)
    if (known !== undefined) return known
    const numbers = this.#make()
    this.#byId.set(id, numbers)
    return numbers
  }

  openOf(id: string): number {
    return this.#byId.get(id)?.open ?? 0
  }

  /** Copies that can be sent to another thread. */
  counts(): (Numbers & { readonly id: string })[] {
    return [...this.#byId].map(([id, numbers]) => ({ id, ...numbers }))
  }

  /** Forgets what is neither wanted nor in use: ids come and go for as long as the process lives. */
  keepOnly(wanted: ReadonlySet<string>): void {
    for (const [id, { open }] of this.#byId) {
      if (!wanted.has(id) && open === 0) this.#byId.delete(id)
    }
  }
}

export class TrafficBook extends Book<Traffic> {
  constructor() {
    super(() => new Traffic())
  }
}

export class PeerBook extends Book<PeerTraffic> {
  constructor() {
    super(() => new PeerTraffic())
  }
}
