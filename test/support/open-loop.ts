import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { get } from './http.ts'

export interface Shot {
  readonly atMs: number
  /** `new`: on a connection of its own; `kept`: on one that is used as long as the server lets it. */
  readonly kind: 'new' | 'kept'
  readonly to: string
  /** Refused, reset, cut short, late, or an answer that is no 200; null when all was well. */
  readonly error: string | null
}

export interface CutConnection {
  readonly atMs: number
  readonly to: string
  /** For how long nobody had asked anything on it. */
  readonly idleMs: number
}

export interface OpenLoopOptions {
  /** Where requests go, in turn. */
  readonly urls: readonly string[]
  readonly periodMs: number
  /** Clients that keep one connection each, to the URLs in turn, and ask on it every 100 ms. */
  readonly keepAliveClients: number
}

const keptPeriodMs = 100
const answerLimitMs = 5000

/**
 * Requests that come when they come, whether earlier ones were answered or not, from clients that
 * never try twice. A kept connection is left when the server says `Connection: close`.
 */
export class OpenLoop {
  readonly shots: Shot[] = []
  /** Kept connections that the server closed without having said so in its last answer. */
  readonly cutConnections: CutConnection[] = []
  readonly #startedMs = performance.now()
  readonly #timers: NodeJS.Timeout[]
  readonly #agents: readonly Agent[]
  readonly #pending = new Set<Promise<void>>()
  readonly #askedAtMs = new WeakMap<Socket, number>()
  readonly #told = new WeakSet<Socket>()
  readonly #urls: readonly string[]
  #count = 0
  #isOver = false

  constructor({ urls, periodMs, keepAliveClients }: OpenLoopOptions) {
    this.#urls = urls
    this.#agents = Array.from(
      { length: keepAliveClients },
      () => new Agent({ keepAlive: true, maxSockets: 1 }),
    )
    this.#timers = [
      setInterval(() => this.#shootNew(), periodMs),
      // Whoever took turns would leave a connection idle for long, and then it may be cut.
      ...this.#agents.map((agent, at) =>
        setInterval(() => this.#shootKept(this.#urlOf(at), agent), keptPeriodMs),
      ),
    ]
  }

  get failed(): Shot[] {
    return this.shots.filter((shot) => shot.error !== null)
  }

  get inFlight(): number {
    return this.#pending.size
  }

  /** Since it began, as `atMs` of a shot is. */
  get nowMs(): number {
    return Math.round(performance.now() - this.#startedMs)
  }

  /** Waits for every answer. */
  async end(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    await Promise.all(this.#pending)
    this.#isOver = true
    for (const agent of this.#agents) agent.destroy()
  }

  #shootNew(): void {
    const to = this.#urlOf(this.#count++)
    this.#shoot('new', to, get(to, answerLimitMs))
  }

  #shootKept(to: string, agent: Agent): void {
    this.#shoot('kept', to, this.#ask(to, agent))
  }

  #urlOf(number: number): string {
    return this.#urls[number % this.#urls.length] ?? ''
  }

  #shoot(kind: Shot['kind'], to: string, asked: Promise<{ readonly status: number }>): void {
    const atMs = this.nowMs
    const done = asked.then(
      ({ status }) => this.#record({ atMs, kind, to, error: status === 200 ? null : `${status}` }),
      (error: unknown) => this.#record({ atMs, kind, to, error: String(error) }),
    )
    this.#pending.add(done)
    void done.then(() => this.#pending.delete(done))
  }

  #record(shot: Shot): void {
    this.shots.push(shot)
  }

  #ask(url: string, agent: Agent): Promise<{ readonly status: number }> {
    return new Promise((resolve, reject) => {
      const asked = request(url, { agent, timeout: answerLimitMs })
      asked.once('socket', (socket) => this.#follow(socket, url))
      asked.once('response', (response) => {
        const { socket, headers, statusCode = 0 } = response
        if (headers.connection === 'close') this.#told.add(socket)
        response.resume()
        response.once('error', reject)
        response.once('end', () => {
          if (response.complete) resolve({ status: statusCode })
          else reject(new Error('short body'))
        })
      })
      asked.once('timeout', () => asked.destroy(new Error(`no answer in ${answerLimitMs} ms`)))
      asked.once('error', reject)
      asked.end()
    })
  }

  #follow(socket: Socket, to: string): void {
    const isKnown = this.#askedAtMs.has(socket)
    this.#askedAtMs.set(socket, performance.now())
    if (isKnown) return
    socket.once('close', () => {
      if (this.#told.has(socket) || this.#isOver) return
      const nowMs = performance.now()
      const idleMs = Math.round(nowMs - (this.#askedAtMs.get(socket) ?? nowMs))
      this.cutConnections.push({ atMs: Math.round(nowMs - this.#startedMs), to, idleMs })
    })
  }
}

/** Connections that say half a request and then nothing: open until the other side ends them. */
export class HeldConnections {
  readonly #sockets = new Set<Socket>()
  /** When each one was cut, in ms since they were opened. */
  readonly cutAfterMs: number[] = []

  static async open(
    count: number,
    hosts: readonly string[],
    port: number,
  ): Promise<HeldConnections> {
    const held = new HeldConnections()
    const openedMs = performance.now()
    const opening = Array.from({ length: count }, (_, at) => {
      const host = hosts[at % hosts.length] ?? ''
      return held.#open(host, port, openedMs)
    })
    await Promise.all(opening)
    return held
  }

  get openCount(): number {
    return this.#sockets.size
  }

  close(): void {
    const sockets = [...this.#sockets]
    this.#sockets.clear()
    for (const socket of sockets) socket.destroy()
  }

  #open(host: string, port: number, openedMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.write('GET / HTTP/1.1\r\n')
        this.#sockets.add(socket)
        resolve()
      })
      socket.once('close', () => {
        if (!this.#sockets.delete(socket)) return
        this.cutAfterMs.push(Math.round(performance.now() - openedMs))
      })
      socket.resume()
    })
  }
}
