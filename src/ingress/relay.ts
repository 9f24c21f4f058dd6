import type { Clock } from '../../mesh/base/clock.ts'
import type { Random } from '../../mesh/base/random.ts'
import { pickBackend } from '../routing/pick-backend.ts'
import type { Endpoint, Listener } from '../routing/route-table.ts'
import type { CancelDial, DialRequest } from './dial-task.ts'
import type { DialFailure, DialHandler, End, EndHandler } from './end.ts'
import { Junction } from './junction.ts'
import type { Load } from './load.ts'
import type { CloseCause, Loop, Slab } from './loop.ts'
import type { Routes } from './routes.ts'
import type { ClientEnd } from './socket-end.ts'
import type { Traffic } from './counts/traffic.ts'

/** Reaches endpoints wherever they run. */
export interface Dialer {
  dial(endpoint: Endpoint, request: DialRequest, handler: DialHandler): CancelDial
  /** False while there is no way to its node. */
  isReachable(endpoint: Endpoint): boolean
}

export interface RelayDeps {
  readonly loop: Loop
  readonly routes: Routes
  readonly dialer: Dialer
  readonly load: Load
  readonly clock: Clock
  readonly random: Random
}

/**
 * How often a client is offered another task after one that failed, and how long it waits for one to
 * appear. Tasks that are gone cost it nothing but the question, which is put to each of them twice.
 */
const relayLimits = { otherTasks: 2, waitMs: 1000, retryGoneMs: 300 } as const

/**
 * One client's connection: finds it a task, then joins the two. Nothing of the client's is read
 * before a task has accepted, so that trying another one loses no byte.
 */
export class Relay implements EndHandler, DialHandler {
  readonly #client: ClientEnd
  readonly #port: number
  readonly #traffic: Traffic
  readonly #deps: RelayDeps
  readonly #onFinished: (relay: Relay) => void
  readonly #tried = new Set<string>()
  readonly #gone = new Set<string>()
  #failedDials = 0
  #dialled: Endpoint | null = null
  #junction: Junction | null = null
  #isFinished = false
  #hasWaited = false
  #cancelDial: CancelDial = () => {}
  #cancelWait: (() => void) | null = null
  #cancelRetry: (() => void) | null = null
  #stopListening = (): void => {}

  constructor(
    given: { readonly client: ClientEnd; readonly port: number; readonly traffic: Traffic },
    deps: RelayDeps,
    onFinished: (relay: Relay) => void,
  ) {
    this.#client = given.client
    this.#port = given.port
    this.#traffic = given.traffic
    this.#deps = deps
    this.#onFinished = onFinished
    this.#client.setHandler(this)
  }

  start(): void {
    this.#tryNext()
  }

  /** How many calls in a row, this one included, found that nothing had passed since the last. */
  countQuietLooks(): number {
    return this.#junction?.countQuietLooks() ?? 0
  }

  reset(): void {
    this.#cancelDial()
    if (this.#junction === null) this.#client.reset()
    else this.#junction.reset('reset')
    this.#finish()
  }

  onOpen(task: End): void {
    this.#cancelDial = () => {}
    this.#clearWait()
    this.#junction = new Junction(
      { left: this.#client, right: task },
      { onFinished: () => this.#finish() },
    )
    this.#junction.start()
  }

  onFailed(failure: DialFailure): void {
    this.#cancelDial = () => {}
    if (failure.kind === 'failed') this.#failedDials += 1
    else if (this.#dialled !== null) this.#gone.add(this.#dialled.task)
    this.#letGo()
    if (this.#failedDials > relayLimits.otherTasks) this.#fail()
    else this.#tryNext()
  }

  /** The client's end is paused until a task has accepted: only its loss can be heard before. */
  onReceive(_end: End, slab: Slab): void {
    this.#deps.loop.release(slab)
  }

  onEnd(): void {}

  onDrained(): void {}

  onClosed(_end: End, _cause: CloseCause): void {
    this.#cancelDial()
    this.#finish()
  }

  #tryNext(): void {
    if (this.#isFinished) return
    const listener = this.#deps.routes.listener(this.#port)
    if (listener === undefined) {
      this.#fail()
      return
    }
    const endpoint = this.#pick(listener)
    if (endpoint === null) {
      this.#wait()
      return
    }
    this.#dialled = endpoint
    this.#tried.add(endpoint.task)
    this.#deps.load.add(endpoint.task)
    const request = this.#requestFor(endpoint, listener)
    // A dial may be answered before the call returns: then there is nothing left to cancel.
    const cancel = this.#deps.dialer.dial(endpoint, request, this)
    if (this.#dialled === endpoint && this.#junction === null) this.#cancelDial = cancel
  }

  #pick(listener: Listener): Endpoint | null {
    const { dialer, load, random, routes } = this.#deps
    const self = routes.table?.self
    if (self === undefined) return null
    return pickBackend({
      endpoints: listener.endpoints.filter(
        (endpoint) => !routes.isDraining(endpoint.task) && dialer.isReachable(endpoint),
      ),
      self,
      prefer: listener.options.prefer,
      balance: listener.options.balance,
      excluded: this.#tried,
      cost: (task) => load.of(task),
      source: this.#client.remoteAddress.host,
      turn: load.nextTurn(this.#port),
      random,
    })
  }

  #requestFor(endpoint: Endpoint, listener: Listener): DialRequest {
    return {
      task: endpoint.task,
      generation: endpoint.generation,
      targetPort: endpoint.targetPort,
      proxyProtocol: listener.options.proxyProtocol,
      connectTimeoutMs: listener.options.connectTimeoutMs,
      client: this.#client.remoteAddress,
      destination: this.#client.localAddress,
    }
  }

  /** A task, or the way to one, may be about to appear. All waits of a client are bounded together. */
  #wait(): void {
    if (this.#hasWaited) {
      this.#fail()
      return
    }
    this.#stopListening = this.#deps.routes.onceChanged(() => this.#tryNext())
    this.#cancelWait ??= this.#deps.clock.after(relayLimits.waitMs, () => {
      this.#hasWaited = true
      if (this.#dialled === null) this.#fail()
    })
    this.#cancelRetry ??= this.#deps.clock.after(relayLimits.retryGoneMs, () => this.#retryGone())
  }

  /** News of a task may reach its clients' nodes a moment before its own ingress: ask once more. */
  #retryGone(): void {
    this.#cancelRetry = null
    for (const task of this.#gone) this.#tried.delete(task)
    this.#gone.clear()
    if (this.#dialled !== null) return
    this.#stopListening()
    this.#tryNext()
  }

  #fail(): void {
    if (this.#isFinished) return
    this.#traffic.failed += 1
    this.#client.reset()
    this.#finish()
  }

  #finish(): void {
    if (this.#isFinished) return
    this.#isFinished = true
    this.#letGo()
    this.#clearWait()
    this.#onFinished(this)
  }

  #letGo(): void {
    if (this.#dialled !== null) this.#deps.load.remove(this.#dialled.task)
    this.#dialled = null
  }

  #clearWait(): void {
    this.#stopListening()
    this.#cancelWait?.()
    this.#cancelRetry?.()
  }
}
