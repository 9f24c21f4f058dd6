import type { Clock } from '../../mesh/base/clock.ts'
import { parseRfc3339 } from '../model/rfc3339.ts'
import type { LogSource, TaskLine } from './log-line.ts'

export interface LogMergeOptions {
  readonly clock: Clock
  /**
   * How long a line waits for older ones of sources that have nothing to say; infinite where every
   * source comes to an end.
   */
  readonly windowMs: number
}

interface Lane {
  readonly source: AsyncIterator<TaskLine | null>
  /** The next line, or null while it is awaited. */
  head: TaskLine | null
  headMs: number
  /** Since when it has nothing to say; null while nobody knows whether it does. */
  idleSinceMs: number | null
  /** How far its clock is known to be ahead of ours. */
  aheadMs: number
}

/** Many sources as one, by time. It holds one line of each: who reads slowly slows them all down. */
export class LogMerge {
  readonly #clock: Clock
  readonly #windowMs: number
  readonly #lanes = new Set<Lane>()
  #isComplete = false
  #fault: { readonly error: unknown } | null = null
  #wake = (): void => {}

  constructor({ clock, windowMs }: LogMergeOptions) {
    this.#clock = clock
    this.#windowMs = windowMs
  }

  add(source: LogSource): void {
    const lane: Lane = {
      source: source[Symbol.asyncIterator](),
      head: null,
      headMs: 0,
      idleSinceMs: null,
      aheadMs: 0,
    }
    this.#lanes.add(lane)
    this.#pull(lane)
    this.#wake()
  }

  get isEmpty(): boolean {
    return this.#lanes.size === 0
  }

  /** No source will be added any more: it ends with the last one. */
  complete(): void {
    this.#isComplete = true
    this.#wake()
  }

  async *lines(): AsyncGenerator<TaskLine> {
    for (;;) {
      if (this.#fault !== null) throw this.#fault.error
      const first = this.#first()
      if (first === null) {
        if (this.isEmpty && this.#isComplete) return
        await this.#change(Infinity)
        continue
      }
      const waitMs = this.#waitMs(first)
      if (waitMs > 0) {
        await this.#change(waitMs)
        continue
      }
      const { head } = first
      first.head = null
      first.idleSinceMs = this.#clock.monotonicMs()
      this.#pull(first)
      if (head !== null) yield head
    }
  }

  #pull(lane: Lane): void {
    lane.source.next().then(
      ({ done, value }) => {
        if (done === true) this.#lanes.delete(lane)
        else if (value === null) this.#idle(lane)
        else this.#arrived(lane, value)
        this.#wake()
      },
      (error: unknown) => {
        this.#fault = { error }
        this.#wake()
      },
    )
  }

  #idle(lane: Lane): void {
    lane.idleSinceMs ??= this.#clock.monotonicMs()
    this.#pull(lane)
  }

  #arrived(lane: Lane, line: TaskLine): void {
    const nowMs = this.#clock.nowMs()
    lane.head = line
    lane.headMs = parseRfc3339(line.at) ?? nowMs
    lane.aheadMs = Math.max(lane.aheadMs, lane.headMs - nowMs)
  }

  #first(): Lane | null {
    let first: Lane | null = null
    for (const lane of this.#lanes) {
      if (lane.head === null) continue
      if (first?.head == null || lane.head.at < first.head.at) first = lane
    }
    return first
  }

  /** Until no other source can have an older line, as far as one can know. */
  #waitMs(first: Lane): number {
    const ageMs = this.#clock.nowMs() - first.headMs + first.aheadMs
    let waitMs = 0
    for (const { head, idleSinceMs } of this.#lanes) {
      if (head !== null) continue
      if (idleSinceMs === null) return Infinity
      const idleMs = this.#clock.monotonicMs() - idleSinceMs
      waitMs = Math.max(waitMs, this.#windowMs - Math.min(idleMs, ageMs))
    }
    return waitMs
  }

  #change(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = limitMs === Infinity ? () => {} : this.#clock.after(limitMs, resolve)
      this.#wake = () => {
        cancel()
        resolve()
      }
    })
  }
}
