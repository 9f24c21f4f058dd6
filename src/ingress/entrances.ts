import type { Acceptor, Conn, ConnectionHandler, Listening } from './loop.ts'
import { Relay, type RelayDeps } from './relay.ts'
import { ClientEnd } from './socket-end.ts'
import type { TrafficBook } from './traffic.ts'

export interface EntrancesOptions {
  readonly listenAddress: string
  /** Whether other threads listen on the same ports. */
  readonly isShared: boolean
  readonly services: TrafficBook
  onListening(port: number): void
  onListenFailed(port: number, code: string): void
}

/** A connection on which nothing passes for an hour is reset; looked at four times in it. */
const idleLooks = 4
const idleLookMs = 3_600_000 / idleLooks

/** The published ports of this thread, and everyone who came in through them. */
export class Entrances {
  readonly #deps: RelayDeps
  readonly #options: EntrancesOptions
  readonly #listening = new Map<number, Listening>()
  readonly #relays = new Set<Relay>()
  readonly #endSweep: () => void

  constructor(deps: RelayDeps, options: EntrancesOptions) {
    this.#deps = deps
    this.#options = options
    this.#endSweep = deps.clock.every(idleLookMs, () => {
      for (const relay of this.#relays) if (relay.countQuietLooks() > idleLooks) relay.reset()
    })
  }

  get openConnections(): number {
    return this.#relays.size
  }

  /** Listens on exactly these ports; connections of a closed one live on. */
  setPorts(ports: ReadonlySet<number>): void {
    for (const [port, listening] of this.#listening) {
      if (ports.has(port)) continue
      this.#listening.delete(port)
      this.#deps.loop.unlisten(listening)
    }
    for (const port of ports) if (!this.#listening.has(port)) this.#listen(port)
  }

  /** Resets every client. */
  resetAll(): void {
    this.#endSweep()
    for (const relay of this.#relays) relay.reset()
  }

  #listen(port: number): void {
    const { listenAddress, isShared } = this.#options
    const acceptor: Acceptor = {
      onListening: () => this.#options.onListening(port),
      onListenFailed: (code) => {
        this.#listening.delete(port)
        this.#options.onListenFailed(port, code)
      },
      onAccept: (conn) => this.#accept(conn, port),
    }
    const spec = { host: listenAddress, port, shared: isShared }
    this.#listening.set(port, this.#deps.loop.listen(spec, acceptor))
  }

  #accept(conn: Conn, port: number): ConnectionHandler | null {
    const listener = this.#deps.routes.listener(port)
    if (listener === undefined) return null
    const traffic = this.#options.services.of(listener.serviceId)
    const client = new ClientEnd(this.#deps.loop, conn, traffic)
    const relay = new Relay({ client, port, traffic }, this.#deps, (finished) => {
      this.#relays.delete(finished)
    })
    this.#relays.add(relay)
    // One turn later: the loop hears of the handler first.
    this.#deps.loop.atTurnEnd(() => relay.start())
    return client
  }
}
