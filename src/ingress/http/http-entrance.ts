import type { Listener } from '../../routing/route-table.ts'
import type { Address } from '../loop.ts'
import type { ClientEnd } from '../socket-end.ts'
import { TrustList } from '../trust-list.ts'
import { ClientConnection } from './client-connection.ts'
import { HttpPort, type HttpDeps } from './http-port.ts'
import { ascii } from './octets.ts'
import type { Hop } from './rewrite-request.ts'

/** Time-outs are as exact as this: one look at all connections instead of a timer for each. */
const sweepMs = 100

/** One published port that speaks HTTP/1.1, and everyone who came in through it. */
export class HttpEntrance {
  readonly #port: HttpPort
  readonly #connections = new Set<ClientConnection>()
  #endSweep: (() => void) | null = null

  constructor(port: number, deps: HttpDeps) {
    this.#port = new HttpPort(port, deps)
  }

  get openConnections(): number {
    return this.#connections.size
  }

  /** What has happened here, and at each task. */
  get port(): HttpPort {
    return this.#port
  }

  begin(client: ClientEnd, listener: Listener, onFinished: () => void): void {
    const hop = hopOf(client, listener, this.#port.via(listener.serviceId))
    const connection = new ClientConnection({ client, listener, hop }, this.#port, (finished) => {
      this.#connections.delete(finished)
      onFinished()
    })
    this.#connections.add(connection)
    this.#endSweep ??= this.#port.deps.clock.every(sweepMs, () => this.#sweep())
    connection.start()
  }

  /** The table has changed, or a task drains. */
  routesChanged(): void {
    this.#port.closeStray()
  }

  /** The ingress ends: every answer says so, and whoever is idle is let go. */
  finish(): void {
    this.#port.isEnding = true
    for (const connection of this.#connections) connection.finish()
    this.#port.closeStray()
  }

  /** Resets everybody. */
  stop(): void {
    this.#endSweep?.()
    this.#endSweep = null
    for (const connection of this.#connections) connection.reset()
    this.#port.resetAll()
  }

  #sweep(): void {
    const nowMs = this.#port.deps.clock.monotonicMs()
    for (const connection of this.#connections) {
      if (nowMs >= connection.deadlineMs) connection.expire()
    }
    const isIdle = this.#port.sweep(nowMs)
    if (!isIdle || this.#connections.size > 0) return
    this.#endSweep?.()
    this.#endSweep = null
  }
}

function hopOf(client: ClientEnd, listener: Listener, via: Uint8Array): Hop {
  const { host } = client.remoteAddress
  const node = host.includes(':') ? `"[${host}]"` : host
  return {
    client: ascii(host),
    forwardedFor: ascii(`for=${node}`),
    ownHost: ascii(authorityOf(client.localAddress)),
    isTrusted: isTrusted(host, listener),
    via,
  }
}

function isTrusted(host: string, { options: { trust } }: Listener): boolean {
  return trust.length > 0 && new TrustList(trust).has(host)
}

function authorityOf({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
