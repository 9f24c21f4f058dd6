import type { Clock } from '../../mesh/base/clock.ts'

interface Drain {
  readonly task: string
  /** It has waited for its open connections for as long as it may. */
  isOverdue: boolean
  /** Every node has dropped the task. */
  isDropped: boolean
  readonly end: () => void
}

/** Tasks that may not stop yet, because clients are still sent to them or connected with them. */
export class IngressDrains {
  readonly #clock: Clock
  readonly #drains = new Set<Drain>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get tasks(): readonly string[] {
    return [...this.#drains].map((drain) => drain.task)
  }

  /**
   * Resolves once every node has dropped the task and its last connection is gone, or `deadlineMs`
   * are over. The ingress bounds the first wait, whatever the deadline.
   */
  begin(task: string, deadlineMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const drain: Drain = {
      task,
      isOverdue: false,
      isDropped: false,
      end: () => {
        cancel()
        this.#drains.delete(drain)
        resolve()
      },
    }
    const cancel = this.#clock.after(deadlineMs, () => {
      drain.isOverdue = true
      if (drain.isDropped) drain.end()
    })
    this.#drains.add(drain)
    return promise
  }

  /** The ingress speaks of a task once every node has dropped it. */
  openConnections(task: string, open: number): void {
    for (const drain of this.#drains) {
      if (drain.task !== task) continue
      drain.isDropped = true
      if (open === 0 || drain.isOverdue) drain.end()
    }
  }

  /** There is no ingress any more, and hence no connection. */
  endAll(): void {
    for (const drain of this.#drains) drain.end()
  }
}
