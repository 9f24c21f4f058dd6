import type { Clock } from '../../mesh/base/clock.ts'

export interface SilenceOptions {
  readonly clock: Clock
  /** So long nothing may be heard. */
  readonly limitMs: number
  /** Called every few seconds of it. */
  readonly goesOn: (seconds: number) => void
  readonly tooLong: (seconds: number) => void
}

const periodMs = 5_000

/** Minds somebody who should say a word now and then. */
export class Silence implements Disposable {
  readonly #options: SilenceOptions
  readonly #end: () => void
  #heardAtMs: number

  constructor(options: SilenceOptions) {
    const { clock } = options
    this.#options = options
    this.#heardAtMs = clock.monotonicMs()
    this.#end = clock.every(periodMs, () => this.#look())
  }

  heard(): void {
    this.#heardAtMs = this.#options.clock.monotonicMs()
  }

  [Symbol.dispose](): void {
    this.#end()
  }

  #look(): void {
    const { clock, limitMs, goesOn, tooLong } = this.#options
    const silentMs = clock.monotonicMs() - this.#heardAtMs
    const seconds = Math.floor(silentMs / 1000)
    if (silentMs >= limitMs) tooLong(seconds)
    else if (silentMs >= periodMs) goesOn(seconds)
  }
}
