import type { MessageStream } from '@libp2p/interface'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { plainHost } from './host-address.ts'

const quietMs = 60_000
const maxRemembered = 256

/** Says who was refused and why, once a minute: whoever is refused usually tries for ever. */
export class RefusalLog {
  readonly #clock: Clock
  readonly #log: Log
  readonly #toldAtMs = new Map<string, number>()

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  tell(connection: MessageStream, reason: string): void {
    const remoteAddress = remoteHost(connection)
    const key = `${remoteAddress} ${reason}`
    const nowMs = this.#clock.monotonicMs()
    const toldAtMs = this.#toldAtMs.get(key)
    if (toldAtMs !== undefined && nowMs - toldAtMs < quietMs) return
    this.#toldAtMs.delete(key)
    this.#toldAtMs.set(key, nowMs)
    this.#forgetOldest()
    this.#log.warn({ remoteAddress, direction: connection.direction, reason }, 'peer refused')
  }

  #forgetOldest(): void {
    if (this.#toldAtMs.size <= maxRemembered) return
    const [oldest] = this.#toldAtMs.keys()
    if (oldest !== undefined) this.#toldAtMs.delete(oldest)
  }
}

/** A raw connection has an address, which its type as a byte stream does not promise. */
function remoteHost(connection: MessageStream): string {
  if (!('remoteAddr' in connection)) return ''
  const [, , host] = String(connection.remoteAddr).split('/')
  return plainHost(host)
}
