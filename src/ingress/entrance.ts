import type { Listener } from '../routing/route-table.ts'
import { entryId } from '../wire/ingress-counts.ts'
import type { Census, Visitor } from './census.ts'
import { HttpEntrance } from './http/http-entrance.ts'
import type { HttpDeps, HttpPort } from './http/http-port.ts'
import { IdleSweep } from './idle-sweep.ts'
import type { Conn, ConnectionHandler } from './loop.ts'
import { ProxyGreeting } from './proxy-greeting.ts'
import { Relay, type RelayDeps } from './relay.ts'
import { ClientEnd } from './socket-end.ts'
import type { TrafficBook } from './counts/traffic.ts'
import { TrustList } from './trust-list.ts'

export interface EntranceDeps extends RelayDeps, HttpDeps {
  readonly census: Census
  /** By entry. */
  readonly ports: TrafficBook
  /** Somebody got nowhere for a reason that an operator should know. */
  onRefused(remote: string, because: string): void
}

const defaultIdleMs = 3_600_000

/** One published TCP port, on whatever addresses it listens, and everyone who came in through it. */
export class Entrance {
  readonly #port: number
  readonly #deps: EntranceDeps
  readonly #relays: IdleSweep<Relay>
  readonly #greetings = new Set<ProxyGreeting>()
  /** Made for the first client of a port that speaks HTTP. */
  #http: HttpEntrance | null = null
  #trust = new TrustList([])

  constructor(port: number, deps: EntranceDeps) {
    this.#port = port
    this.#deps = deps
    this.#relays = new IdleSweep(deps.clock, defaultIdleMs, (relay) => relay.reset())
    this.routesChanged()
  }

  get openConnections(): number {
    return this.#relays.size + this.#greetings.size + (this.#http?.openConnections ?? 0)
  }

  /** Null while nobody has asked anything over HTTP. */
  get httpPort(): HttpPort | null {
    return this.#http?.port ?? null
  }

  /** The table has changed, or a task drains. */
  routesChanged(): void {
    this.#http?.routesChanged()
    const options = this.#deps.routes.listener(this.#port)?.options
    if (options === undefined) return
    this.#trust = new TrustList(options.trust)
    this.#relays.setIdleMs(options.idleTimeoutMs ?? defaultIdleMs)
  }

  accept(conn: Conn): ConnectionHandler | null {
    const { loop, routes, ports } = this.#deps
    const listener = routes.listener(this.#port)
    if (listener === undefined) return null
    const { host } = loop.remoteAddress(conn)
    const isProxy = listener.options.protocol === 'tcp' && this.#trust.has(host)
    const visitor = isProxy ? null : this.#admit(host, listener)
    if (!isProxy && visitor === null) return null
    const client = new ClientEnd(loop, conn, ports.of(entryId(listener)))
    // One turn later: the loop hears of the handler first.
    if (visitor === null) this.#greet(client)
    else loop.atTurnEnd(() => this.#begin(client, visitor, listener))
    return client
  }

  /** The ingress ends: whoever asks one thing after the other is told to ask elsewhere. */
  finish(): void {
    this.#http?.finish()
  }

  /** Resets everybody. */
  stop(): void {
    this.#http?.stop()
    this.#relays.stop()
    for (const relay of this.#relays) relay.reset()
    for (const greeting of this.#greetings) greeting.reset()
    this.#greetings.clear()
  }

  /** Null when there are too many already. */
  #admit(source: string, listener: Listener): Visitor | null {
    const visitor = { protocol: 'tcp', port: this.#port, source } as const
    if (this.#deps.census.enter(visitor, listener.options)) return visitor
    this.#deps.ports.of(entryId(listener)).failed += 1
    return null
  }

  #greet(client: ClientEnd): void {
    const { loop, clock } = this.#deps
    const greeting = new ProxyGreeting(client, {
      loop,
      clock,
      onKnown: () => {
        this.#greetings.delete(greeting)
        this.#introduced(client)
      },
      onRefused: (because) => {
        this.#greetings.delete(greeting)
        this.#deps.onRefused(client.remoteAddress.host, because)
      },
      onLost: () => this.#greetings.delete(greeting),
    })
    this.#greetings.add(greeting)
    loop.atTurnEnd(() => greeting.start())
  }

  #introduced(client: ClientEnd): void {
    const listener = this.#deps.routes.listener(this.#port)
    const visitor = listener && this.#admit(client.remoteAddress.host, listener)
    if (listener && visitor) this.#begin(client, visitor, listener)
    else client.reset()
  }

  #begin(client: ClientEnd, visitor: Visitor, listener: Listener): void {
    if (listener.options.protocol === 'http') {
      this.#http ??= new HttpEntrance(this.#port, this.#deps)
      this.#http.begin(client, listener, () => this.#deps.census.leave(visitor))
      return
    }
    const { traffic } = client
    const relay = new Relay({ client, port: this.#port, traffic }, this.#deps, (finished) => {
      this.#relays.delete(finished)
      this.#deps.census.leave(visitor)
    })
    this.#relays.add(relay)
    relay.start()
  }
}
