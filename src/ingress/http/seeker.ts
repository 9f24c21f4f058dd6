import type { Endpoint, Listener } from '../../routing/route-table.ts'
import type { CancelDial } from '../dial-task.ts'
import type { DialFailure, DialHandler, End } from '../end.ts'
import type { ClientEnd } from '../socket-end.ts'
import type { Backend } from './backend.ts'
import type { HttpPort } from './http-port.ts'
import { Upstream } from './upstream.ts'

/** `lost`: the request was sent, its connection is gone, and nobody else could take it. */
export type NothingCause = 'no-service' | 'no-task' | 'connect' | 'lost'

export interface Finder {
  /** A connection that is ready for one question; the backend counts it as in flight. */
  onFound(upstream: Upstream, backend: Backend): void
  onNothing(because: NothingCause): void
}

/** As for connections: how often another task is offered, and how long one may take to appear. */
const limits = { otherTasks: 2, waitMs: 1000, retryGoneMs: 300 } as const

/** Finds a request its connection: an idle one, or a new one to a task that was not tried yet. */
export class Seeker implements DialHandler {
  readonly #client: ClientEnd
  readonly #port: HttpPort
  readonly #finder: Finder
  readonly #tried = new Set<string>()
  readonly #gone = new Set<string>()
  #failedDials = 0
  #isRepeatable = false
  /** After an idle connection was lost: what one of a task's does, the others may do as well. */
  #needsNew = false
  #dialled: Backend | null = null
  #isSeeking = false
  #hasWaited = false
  #cancelDial: CancelDial | null = null
  #cancelWait: (() => void) | null = null
  #cancelRetry: (() => void) | null = null
  #stopListening: (() => void) | null = null

  constructor(client: ClientEnd, port: HttpPort, finder: Finder) {
    this.#client = client
    this.#port = port
    this.#finder = finder
  }

  begin(isRepeatable: boolean): void {
    if (this.#tried.size > 0) this.#tried.clear()
    if (this.#gone.size > 0) this.#gone.clear()
    this.#failedDials = 0
    this.#needsNew = false
    this.#hasWaited = false
    this.#isRepeatable = isRepeatable
    this.#seek()
  }

  /** Once more: the last connection was lost. `isBackendFine`: it only closed what was idle. */
  again(backend: Backend, isBackendFine: boolean): void {
    this.#needsNew = true
    if (isBackendFine) this.#tried.delete(backend.task)
    this.#seek()
  }

  /** Nobody is interested any more. */
  cancel(): void {
    this.#isSeeking = false
    this.#cancelDial?.()
    this.#cancelDial = null
    this.#dialled?.ejection.abandoned()
    this.#letGo()
    this.#endWait()
  }

  onOpen(end: End): void {
    const backend = this.#dialled
    this.#cancelDial = null
    this.#dialled = null
    if (!this.#isSeeking || backend === null) {
      end.reset()
      return
    }
    const { deps, heads } = this.#port
    const upstream = new Upstream(end, { loop: deps.loop, heads }, (lost) => backend.lost(lost))
    this.#found(upstream, backend)
  }

  onFailed(failure: DialFailure): void {
    const backend = this.#dialled
    this.#cancelDial = null
    this.#letGo()
    if (backend === null || !this.#isSeeking) return
    if (failure.kind === 'gone') {
      backend.ejection.abandoned()
      this.#gone.add(backend.task)
    } else this.#countFailure(backend)
    if (this.#failedDials > limits.otherTasks) this.#nothing('connect')
    else this.#seek()
  }

  #countFailure(backend: Backend): void {
    this.#failedDials += 1
    backend.counters.failed('connect')
    const nowMs = this.#port.deps.clock.monotonicMs()
    if (!backend.ejection.failed(nowMs, true)) return
    backend.counters.ejections += 1
    this.#port.counters.ejections += 1
  }

  #seek(): void {
    this.#isSeeking = true
    const { listener } = this.#port
    if (listener === undefined) {
      this.#nothing('no-service')
      return
    }
    const endpoint = this.#port.pick(listener, this.#tried, this.#client.remoteAddress.host)
    if (endpoint === null) this.#wait()
    else this.#ask(endpoint, listener)
  }

  #ask(endpoint: Endpoint, listener: Listener): void {
    const backend = this.#port.backendOf(endpoint)
    this.#tried.add(endpoint.task)
    backend.counters.inFlight += 1
    backend.ejection.asked()
    // A PROXY header is true for one client's connection only: there is nothing to share.
    const isShared = listener.options.proxyProtocol === 'none'
    const nowMs = this.#port.deps.clock.monotonicMs()
    const idle = isShared && !this.#needsNew ? backend.take(nowMs, this.#isRepeatable) : null
    if (idle !== null) {
      this.#found(idle, backend)
      return
    }
    this.#dialled = backend
    const request = {
      task: endpoint.task,
      generation: endpoint.generation,
      targetPort: endpoint.targetPort,
      proxyProtocol: listener.options.proxyProtocol,
      connectTimeoutMs: listener.options.connectTimeoutMs,
      client: this.#client.remoteAddress,
      destination: this.#client.localAddress,
    }
    // A dial may be answered before the call returns: then there is nothing left to cancel.
    const cancel = this.#port.deps.dialer.dial(endpoint, request, this)
    if (this.#dialled === backend) this.#cancelDial = cancel
  }

  #found(upstream: Upstream, backend: Backend): void {
    this.#isSeeking = false
    this.#endWait()
    this.#finder.onFound(upstream, backend)
  }

  #nothing(because: NothingCause): void {
    this.#isSeeking = false
    this.#endWait()
    this.#finder.onNothing(because)
  }

  /** A task, or the way to one, may be about to appear. All waits of a request are bounded together. */
  #wait(): void {
    const because = this.#failedDials > 0 ? 'connect' : 'no-task'
    if (this.#hasWaited || this.#needsNew) {
      this.#nothing(this.#needsNew ? 'lost' : because)
      return
    }
    const { clock, routes } = this.#port.deps
    this.#stopListening = routes.onceChanged(() => this.#seek())
    this.#cancelWait ??= clock.after(limits.waitMs, () => {
      this.#hasWaited = true
      if (this.#isSeeking && this.#dialled === null) this.#nothing(because)
    })
    this.#cancelRetry ??= clock.after(limits.retryGoneMs, () => this.#retryGone())
  }

  /** News of a task may reach its clients' nodes a moment before its own ingress: ask once more. */
  #retryGone(): void {
    this.#cancelRetry = null
    for (const task of this.#gone) this.#tried.delete(task)
    this.#gone.clear()
    if (this.#dialled !== null || !this.#isSeeking) return
    this.#stopListening?.()
    this.#seek()
  }

  #letGo(): void {
    if (this.#dialled !== null) this.#dialled.counters.inFlight -= 1
    this.#dialled = null
  }

  #endWait(): void {
    this.#stopListening?.()
    this.#cancelWait?.()
    this.#cancelRetry?.()
    this.#stopListening = null
    this.#cancelWait = null
    this.#cancelRetry = null
  }
}
