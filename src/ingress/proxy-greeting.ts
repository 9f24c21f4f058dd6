import type { Clock } from '../../mesh/base/clock.ts'
import { isFault } from '../../mesh/base/mesh-error.ts'
import { decodeProxyHeader, type ProxyDecoded } from '../wire/proxy-protocol.ts'
import type { EndHandler } from './end.ts'
import type { Loop, Slab } from './loop.ts'
import type { ClientEnd } from './socket-end.ts'

export interface GreetingDeps {
  readonly loop: Loop
  readonly clock: Clock
  /** The client is who the header said; what followed it waits in its end. */
  onKnown(): void
  /** It is reset. */
  onRefused(because: string): void
  /** It went away by itself. */
  onLost(): void
}

/** Nobody who has something to say needs longer for its first bytes. */
const greetingLimitMs = 3000

/**
 * The start of a connection that a trusted proxy opened. The header is not optional: where it could
 * be left out, whoever the proxy speaks for could write it.
 */
export class ProxyGreeting implements EndHandler {
  readonly #client: ClientEnd
  readonly #deps: GreetingDeps
  readonly #cancelLimit: () => void
  #bytes = Buffer.alloc(0)
  #isOver = false

  constructor(client: ClientEnd, deps: GreetingDeps) {
    this.#client = client
    this.#deps = deps
    this.#cancelLimit = deps.clock.after(greetingLimitMs, () =>
      this.#refuse('no PROXY header in time'),
    )
    client.setHandler(this)
  }

  start(): void {
    this.#client.resume()
  }

  reset(): void {
    if (this.#end()) this.#client.reset()
  }

  onReceive(_end: unknown, slab: Slab, offset: number, length: number): void {
    const { loop } = this.#deps
    const bytes = loop.memory(slab).subarray(offset, offset + length)
    this.#bytes = Buffer.concat([this.#bytes, bytes])
    loop.release(slab)
    const decoded = this.#decode()
    if (typeof decoded === 'string') return this.#refuse(`no PROXY header: ${decoded}`)
    if (decoded.kind === 'more' || !this.#end()) return
    this.#client.pause()
    const { header } = decoded
    const rest = this.#bytes.subarray(decoded.length)
    this.#client.introduce({ header, rest: rest.length === 0 ? null : rest })
    this.#deps.onKnown()
  }

  onEnd(): void {
    this.#refuse('no PROXY header before its end')
  }

  onDrained(): void {}

  onClosed(): void {
    if (this.#end()) this.#deps.onLost()
  }

  /** Or why it is none. The decoder asks for more only within its own bounds. */
  #decode(): ProxyDecoded | string {
    try {
      return decodeProxyHeader(this.#bytes)
    } catch (error) {
      if (!isFault(error, 'proxy-protocol/malformed')) throw error
      return String(error.fault['because'])
    }
  }

  #refuse(because: string): void {
    if (!this.#end()) return
    this.#client.reset()
    this.#deps.onRefused(because)
  }

  #end(): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    this.#cancelLimit()
    return true
  }
}
