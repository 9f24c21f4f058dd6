import type { Clock } from '../../../mesh/base/clock.ts'

/**
 * What became of one request. Neither its query nor any header is told: both may hold secrets, and
 * logs are read by more people than services are.
 */
export interface AccessLine {
  /** By the wall clock, when its head was whole. */
  readonly startedAtMs: number
  readonly requestId: string
  readonly service: string
  readonly port: number
  readonly client: string
  /** Empty, like the path, when the head was none. */
  readonly method: string
  readonly path: string
  /** 0 when nothing was answered. */
  readonly status: number
  /** Of bodies, as far as they came. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** To the head of the answer; null when there was none. */
  readonly answeredAfterMs: number | null
  readonly durationMs: number
  /** Whom it was last sent to; null when no task had it. */
  readonly task: string | null
  readonly taskNode: string | null
  /** False when the client did not get all of the answer. */
  readonly isWhole: boolean
}

export interface AccessBatch {
  readonly lines: readonly AccessLine[]
  /** That found no room since the last batch. */
  readonly dropped: number
}

const waitingMax = 2000
const batchMax = 250
const gatherMs = 100

/**
 * Lines of one thread on their way to the log. One batch is under way at a time, and who reads the
 * log slowly costs lines, which are counted, and nothing else.
 */
export class AccessLog {
  readonly #clock: Clock
  readonly #tell: (batch: AccessBatch) => void
  #waiting: AccessLine[] = []
  #dropped = 0
  #isUnderWay = false
  #cancelGather: (() => void) | null = null

  constructor(clock: Clock, tell: (batch: AccessBatch) => void) {
    this.#clock = clock
    this.#tell = tell
  }

  add(line: AccessLine): void {
    if (this.#waiting.length >= waitingMax) this.#dropped += 1
    else this.#waiting.push(line)
    if (!this.#isUnderWay) this.#cancelGather ??= this.#clock.after(gatherMs, () => this.flush())
  }

  /** The last batch is written. */
  taken(): void {
    this.#isUnderWay = false
    this.flush()
  }

  /** Sends what there is, unless a batch is under way. */
  flush(): void {
    this.#cancelGather?.()
    this.#cancelGather = null
    if (this.#isUnderWay || this.#waiting.length === 0) return
    this.#isUnderWay = true
    const batch = { lines: this.#waiting.splice(0, batchMax), dropped: this.#dropped }
    this.#dropped = 0
    this.#tell(batch)
  }
}
