import type { Clock } from '../../mesh/base/clock.ts'

interface Timer {
  readonly atMs: number
  readonly order: number
  readonly action: () => void
  cancelled: boolean
}

/** Far from zero, so that a test which mixes the two clocks up fails. */
const bootMs = 1_700_000_000_000

/**
 * Time that moves only when a test says so. Timers of one instant run in the order in which they
 * were set, so a run depends on nothing but its inputs.
 */
export class FakeClock implements Clock {
  readonly #settle: () => Promise<void>
  #elapsedMs = 0
  #order = 0
  /** A binary heap, earliest first. */
  readonly #timers: Timer[] = []

  /** `settleMicrotasks` is faster, and enough where nothing waits for the real world. */
  constructor(settle: () => Promise<void> = settleEventLoop) {
    this.#settle = settle
  }

  nowMs(): number {
    return bootMs + this.#elapsedMs
  }

  monotonicMs(): number {
    return this.#elapsedMs
  }

  after(delayMs: number, action: () => void): () => void {
    const timer: Timer = {
      atMs: this.#elapsedMs + Math.max(0, delayMs),
      order: this.#order++,
      action,
      cancelled: false,
    }
    this.#insert(timer)
    return () => {
      timer.cancelled = true
    }
  }

  every(periodMs: number, action: () => void): () => void {
    if (!(periodMs > 0)) throw new Error('a period must be longer than nothing')
    let cancel: (() => void) | null = null
    let ended = false
    const again = (): void => {
      cancel = this.after(periodMs, () => {
        if (!ended) again()
        action()
      })
    }
    again()
    return () => {
      ended = true
      cancel?.()
    }
  }

  /** Lets time pass and runs what falls due, without giving promises a turn. */
  advance(ms: number): void {
    const untilMs = this.#elapsedMs + ms
    while (this.#runNext(untilMs)) {
      // Everything that is due by then, also what these timers set.
    }
    this.#elapsedMs = untilMs
  }

  /** As `advance`, but lets promises settle after every instant at which something ran. */
  async run(ms: number): Promise<void> {
    const untilMs = this.#elapsedMs + ms
    await this.#settle()
    while (this.#runNext(untilMs)) {
      while (this.#runNext(this.#elapsedMs)) {
        // The whole instant first.
      }
      await this.#settle()
    }
    this.#elapsedMs = untilMs
  }

  /** Runs until the condition holds, at most `limitMs`; false when it never did. */
  async runUntil(condition: () => boolean, limitMs: number, stepMs = 10): Promise<boolean> {
    for (let passedMs = 0; passedMs < limitMs; passedMs += stepMs) {
      if (condition()) return true
      await this.run(stepMs)
    }
    return condition()
  }

  #runNext(untilMs: number): boolean {
    const first = this.#timers[0]
    if (first === undefined || first.atMs > untilMs) return false
    this.#removeFirst()
    this.#elapsedMs = Math.max(this.#elapsedMs, first.atMs)
    if (!first.cancelled) first.action()
    return true
  }

  #insert(timer: Timer): void {
    const heap = this.#timers
    let at = heap.push(timer) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(timer, heap[parent] as Timer)) break
      heap[at] = heap[parent] as Timer
      at = parent
    }
    heap[at] = timer
  }

  #removeFirst(): void {
    const heap = this.#timers
    const last = heap.pop() as Timer
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= heap.length) break
      const right = heap[child + 1]
      if (right !== undefined && isBefore(right, heap[child] as Timer)) child++
      if (!isBefore(heap[child] as Timer, last)) break
      heap[at] = heap[child] as Timer
      at = child
    }
    heap[at] = last
  }
}

const isBefore = (left: Timer, right: Timer): boolean =>
  left.atMs === right.atMs ? left.order < right.order : left.atMs < right.atMs

/** One turn of the real event loop: every promise that can settle has settled. */
async function settleEventLoop(): Promise<void> {
  await new Promise<void>((resolve) => {
    setImmediate(resolve)
  })
}

/** Every promise that needs no I/O has settled: a tick is taken only when no microtask is left. */
export function settleMicrotasks(): Promise<void> {
  return new Promise<void>((resolve) => {
    process.nextTick(resolve)
  })
}
