import type { Clock } from '../../mesh/base/clock.ts'
import { othersId } from '../wire/ingress-counts.ts'

interface Drain {
  readonly task: string
  /** It has waited for its open connections for as long as it may. */
  isOverdue: boolean
  /** Every node has dropped the task. */
  isDropped: boolean
  readonly count: DrainCount
  readonly end: () => void
}

export interface DrainCount {
  begun: number
  /** Connections were still open when the time was over. */
  overdue: number
}

/** Since the daemon started. */
export interface DrainCounts {
  readonly underWay: number
  readonly byService: ReadonlyMap<string, Readonly<DrainCount>>
}

export interface DrainSubject {
  readonly task: string
  readonly serviceId: string
}

/** Services come and go: later ones are counted as one. */
const servicesLimit = 256

/** Tasks that may not stop yet, because clients are still sent to them or connected with them. */
export class IngressDrains {
  readonly #clock: Clock
  readonly #drains = new Set<Drain>()
  readonly #counts = new Map<string, DrainCount>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get counts(): DrainCounts {
    return { underWay: this.#drains.size, byService: this.#counts }
  }

  get tasks(): readonly string[] {
    return [...this.#drains].map((drain) => drain.task)
  }

  /**
   * Resolves once every node has dropped the task and its last connection is gone, or `deadlineMs`
   * are over. The ingress bounds the first wait, whatever the deadline.
   */
  begin({ task, serviceId }: DrainSubject, deadlineMs: number): Promise<void> {
    const count = this.#countOf(serviceId)
    count.begun += 1
    const { promise, resolve } = Promise.withResolvers<void>()
    const drain: Drain = {
      task,
      isOverdue: false,
      isDropped: false,
      count,
      end: () => {
        cancel()
        this.#drains.delete(drain)
        resolve()
      },
    }
    const cancel = this.#clock.after(deadlineMs, () => {
      drain.isOverdue = true
      if (drain.isDropped) cutShort(drain)
    })
    this.#drains.add(drain)
    return promise
  }

  /** The ingress speaks of a task once every node has dropped it. */
  openConnections(task: string, open: number): void {
    for (const drain of this.#drains) {
      if (drain.task !== task) continue
      drain.isDropped = true
      if (open === 0) drain.end()
      else if (drain.isOverdue) cutShort(drain)
    }
  }

  #countOf(serviceId: string): DrainCount {
    const isNamed = this.#counts.has(serviceId) || this.#counts.size < servicesLimit
    const id = isNamed ? serviceId : othersId
    const count = this.#counts.get(id) ?? { begun: 0, overdue: 0 }
    this.#counts.set(id, count)
    return count
  }

  /** There is no ingress any more, and hence no connection. */
  endAll(): void {
    for (const drain of this.#drains) drain.end()
  }
}

function cutShort(drain: Drain): void {
  drain.count.overdue += 1
  drain.end()
}
