import type { Clock } from '../../mesh/base/clock.ts'
import type { Log } from '../../mesh/base/log.ts'
import {
  orderlyEnds,
  spawnIngress,
  type IngressProcess,
  type IngressSettings,
} from './ingress-process.ts'

export interface IngressSpareOptions extends IngressSettings {
  readonly log: Log
  readonly clock: Clock
  /** How long the ingress that serves has the machine to itself before its spare is started. */
  readonly spareAfterMs?: number
}

const defaultAfterMs = 5000
const firstRetryMs = 1000
const longestRetryMs = 60_000
const goodLifeMs = 60_000

/**
 * An ingress process kept ahead of need: to start one and to load its code takes about a second,
 * for which nobody would listen. It holds no socket, no secret and no table; it is told everything
 * when it takes over, so that nothing in it can be out of date. Sockets that outlive the ingress
 * would not be better: clients would queue in them before a process that is not there yet, a ring
 * could not take them over, and the daemon would have to know every port.
 */
export class IngressSpare {
  readonly #options: IngressSpareOptions
  #process: IngressProcess | null = null
  #cancelStart = (): void => {}
  #isPlanned = false
  #isStopped = false
  #deaths = 0

  constructor(options: IngressSpareOptions) {
    this.#options = options
  }

  /** There is one, and it could serve at once. */
  get isReady(): boolean {
    return this.#process?.isLoaded ?? false
  }

  get pid(): number | null {
    return this.#process?.pid ?? null
  }

  /** From a moment on there is to be one. */
  keep(): void {
    this.#deaths = 0
    this.#plan(this.#options.spareAfterMs ?? defaultAfterMs)
  }

  /** Whoever takes it afterwards does not wait, unless it takes longer than that to load. */
  async load(limitMs: number): Promise<void> {
    if (this.#process === null) this.#start()
    const { promise: tooLate, resolve } = Promise.withResolvers<void>()
    const cancel = this.#options.clock.after(limitMs, resolve)
    await Promise.race([this.#process?.loaded, tooLate])
    cancel()
  }

  /** The spare, or else an ingress that begins to load now. Nobody keeps another until `keep`. */
  take(): IngressProcess {
    this.#cancelStart()
    this.#isPlanned = false
    const process = this.#process ?? spawnIngress(this.#options)
    this.#process = null
    return process
  }

  stop(): void {
    this.#isStopped = true
    this.#cancelStart()
    const process = this.#process
    this.#process = null
    process?.kill()
    process?.leave()
  }

  #plan(delayMs: number): void {
    if (this.#isStopped || this.#isPlanned || this.#process !== null) return
    this.#isPlanned = true
    this.#cancelStart = this.#options.clock.after(delayMs, () => {
      this.#isPlanned = false
      this.#start()
    })
  }

  #start(): void {
    const { clock, log } = this.#options
    const startedMs = clock.monotonicMs()
    const process = spawnIngress(this.#options)
    this.#process = process
    void process.ended.then((exit) => {
      if (this.#process !== process) return
      this.#process = null
      // Signals of a terminal come to all: it ends here a moment before the daemon does.
      if (this.#isStopped || orderlyEnds.includes(exit)) return
      const isYoung = clock.monotonicMs() - startedMs < goodLifeMs
      this.#deaths = isYoung ? this.#deaths + 1 : 1
      log.warn({ exit, deaths: this.#deaths }, 'the spare ingress ended; starting another later')
      this.#plan(Math.min(firstRetryMs * 2 ** (this.#deaths - 1), longestRetryMs))
    })
  }
}
