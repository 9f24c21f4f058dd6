import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'

const quietMs = 60_000
const maxRemembered = 256

export interface Refused {
  readonly remoteAddress: string
  readonly reason: string
  readonly direction?: 'inbound' | 'outbound'
}

/** Says who was refused and why, once a minute: whoever is refused usually tries for ever. */
export class RefusalLog {
  readonly #message: string
  readonly #clock: Clock
  readonly #log: Log
  readonly #toldAtMs = new Map<string, number>()

  constructor(message: string, deps: { readonly clock: Clock; readonly log: Log }) {
    this.#message = message
    this.#clock = deps.clock
    this.#log = deps.log
  }

  tell(refused: Refused): void {
    const key = `${refused.remoteAddress} ${refused.reason}`
    const nowMs = this.#clock.monotonicMs()
    const toldAtMs = this.#toldAtMs.get(key)
    if (toldAtMs !== undefined && nowMs - toldAtMs < quietMs) return
    this.#toldAtMs.delete(key)
    this.#toldAtMs.set(key, nowMs)
    this.#forgetOldest()
    this.#log.warn({ ...refused }, this.#message)
  }

  #forgetOldest(): void {
    if (this.#toldAtMs.size <= maxRemembered) return
    const [oldest] = this.#toldAtMs.keys()
    if (oldest !== undefined) this.#toldAtMs.delete(oldest)
  }
}
