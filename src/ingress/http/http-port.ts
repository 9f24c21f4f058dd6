import type { Clock } from '../../../mesh/base/clock.ts'
import type { Random } from '../../../mesh/base/random.ts'
import { pickBackend } from '../../routing/pick-backend.ts'
import { RetryBudget } from '../../routing/retry-budget.ts'
import type { Endpoint, Listener, ListenerOptions } from '../../routing/route-table.ts'
import { entryId, entryTaskId, type HttpCountOf } from '../../wire/ingress-counts.ts'
import type { Loop } from '../loop.ts'
import type { Dialer } from '../relay.ts'
import type { Routes } from '../routes.ts'
import type { AccessLog } from './access-log.ts'
import { Backend } from './backend.ts'
import { HttpCounters } from './counters.ts'
import { HeadPool } from './head-pool.ts'
import { HeadWriter } from './head-writer.ts'
import { ascii } from './octets.ts'

export interface HttpDeps {
  readonly loop: Loop
  readonly routes: Routes
  readonly dialer: Dialer
  readonly clock: Clock
  readonly random: Random
  readonly accessLog: AccessLog
}

/** What all requests of one published port share: the tasks behind it, and what was counted. */
export class HttpPort {
  readonly port: number
  readonly deps: HttpDeps
  readonly heads = new HeadPool()
  readonly writer = new HeadWriter()
  readonly budget = new RetryBudget()
  readonly counters = new HttpCounters()
  /** The ingress ends: answers say so, and connections are not kept. */
  isEnding = false
  readonly #backends = new Map<string, Backend>()
  /** Filled anew for each pick. */
  readonly #candidates: Endpoint[] = []
  readonly #ejected: Endpoint[] = []
  readonly #idPrefix: string
  #via = ascii('')
  #viaOf = ''
  #keepAlive = ascii('')
  #keepAliveOf = 0
  #turn = 0
  #ids = 0

  constructor(port: number, deps: HttpDeps) {
    this.port = port
    this.deps = deps
    this.#idPrefix = [0, 0]
      .map(() =>
        deps.random
          .below(2 ** 32)
          .toString(16)
          .padStart(8, '0'),
      )
      .join('')
  }

  get listener(): Listener | undefined {
    return this.deps.routes.listener(this.port)
  }

  get backends(): Iterable<Backend> {
    return this.#backends.values()
  }

  /** Null once the port is nobody's. */
  count(): HttpCountOf | null {
    const { listener } = this
    return listener === undefined ? null : { id: entryId(listener), ...this.counters.count() }
  }

  taskCounts(): HttpCountOf[] {
    const { listener } = this
    if (listener === undefined) return []
    return [...this.backends].map(({ task, counters }) => ({
      id: entryTaskId(listener, task),
      ...counters.count(),
    }))
  }

  /** This service's entry at this port: whoever passes it twice runs in a circle. */
  via(serviceId: string): Uint8Array {
    if (this.#viaOf !== serviceId) {
      this.#viaOf = serviceId
      const name = serviceId.toLowerCase().replaceAll(/[^a-z0-9]/g, '-')
      this.#via = ascii(`mesh-${name}-${this.port}`)
    }
    return this.#via
  }

  /** How an answer says that the connection stays, and for how long. */
  keepAlive({ keepAliveTimeoutMs }: ListenerOptions): Uint8Array {
    if (this.#keepAliveOf !== keepAliveTimeoutMs) {
      this.#keepAliveOf = keepAliveTimeoutMs
      const seconds = Math.max(1, Math.floor(keepAliveTimeoutMs / 1000))
      this.#keepAlive = ascii(`Connection: keep-alive\r\nKeep-Alive: timeout=${seconds}\r\n`)
    }
    return this.#keepAlive
  }

  nextRequestId(): string {
    this.#ids += 1
    return `${this.#idPrefix}-${this.#ids.toString(16)}`
  }

  backendOf(endpoint: Endpoint): Backend {
    const known = this.#backends.get(endpoint.task)
    if (known?.generation === endpoint.generation) return known
    known?.closeIdle(this.deps.clock.monotonicMs())
    const backend = new Backend(endpoint)
    this.#backends.set(endpoint.task, backend)
    return backend
  }

  /** Ejected tasks are asked only when nobody else is left. Null when all were tried. */
  pick(listener: Listener, tried: ReadonlySet<string>, source: string): Endpoint | null {
    const { routes, random, clock } = this.deps
    const self = routes.table?.self
    if (self === undefined) return null
    const nowMs = clock.monotonicMs()
    const endpoints = this.#usable(listener, tried, nowMs)
    const { prefer, balance } = listener.options
    this.#turn = (this.#turn + 1) % 2 ** 30
    return pickBackend({
      endpoints,
      self,
      prefer,
      balance,
      excluded: tried,
      cost: (task) => this.#cost(task, balance, nowMs),
      random,
      source,
      turn: this.#turn,
    })
  }

  /** Connections to tasks that drain, are gone, or are another assignment now serve nobody. */
  closeStray(): void {
    const nowMs = this.deps.clock.monotonicMs()
    const endpoints = this.listener?.endpoints ?? []
    const wanted = new Map(endpoints.map((endpoint) => [endpoint.task, endpoint.generation]))
    for (const [task, backend] of this.#backends) {
      const isWanted = wanted.get(task) === backend.generation
      backend.isStray = !isWanted || this.deps.routes.isDraining(task)
      if (!backend.isStray) continue
      backend.closeIdle(nowMs)
      if (!isWanted && backend.isUnused) this.#backends.delete(task)
    }
  }

  isWanted(backend: Backend): boolean {
    const isKnown = this.#backends.get(backend.task) === backend
    return isKnown && !this.isEnding && !backend.isStray
  }

  /** True when there is nothing left to look after. */
  sweep(nowMs: number): boolean {
    let isIdle = true
    for (const backend of this.#backends.values()) {
      backend.sweep(nowMs)
      isIdle &&= backend.isUnused
    }
    return isIdle
  }

  resetAll(): void {
    for (const backend of this.#backends.values()) backend.resetAll()
  }

  #usable(listener: Listener, tried: ReadonlySet<string>, nowMs: number): readonly Endpoint[] {
    const { routes, dialer } = this.deps
    const candidates = this.#candidates
    candidates.length = 0
    const ejected = this.#ejected
    ejected.length = 0
    for (const endpoint of listener.endpoints) {
      const { task } = endpoint
      if (tried.has(task) || routes.isDraining(task) || !dialer.isReachable(endpoint)) continue
      const isOpen = this.#backends.get(task)?.ejection.isOpenAt(nowMs) ?? true
      if (isOpen) candidates.push(endpoint)
      else ejected.push(endpoint)
    }
    return candidates.length > 0 ? candidates : ejected
  }

  #cost(task: string, balance: ListenerOptions['balance'], nowMs: number): number {
    const backend = this.#backends.get(task)
    if (balance === 'draws') return backend?.cost(nowMs) ?? 0
    return backend?.counters.inFlight ?? 0
  }
}
