import type { Clock } from '../../../mesh/base/clock.ts'
import type { Random } from '../../../mesh/base/random.ts'
import { pickBackend } from '../../routing/pick-backend.ts'
import type { Endpoint, Listener } from '../../routing/route-table.ts'
import type { CancelDial, DialRequest } from '../dial-task.ts'
import type { DialFailure } from '../end.ts'
import type { Quietable } from '../idle-sweep.ts'
import type { Load } from '../load.ts'
import type { Address } from '../loop.ts'
import type { Routes } from '../routes.ts'
import type { Traffic } from '../counts/traffic.ts'
import type { FlowDialHandler, FlowEnd, FlowHandler } from './flow-end.ts'

/** Reaches endpoints wherever they run. */
export interface FlowDialer {
  dialFlow(endpoint: Endpoint, request: DialRequest, handler: FlowDialHandler): CancelDial
  isReachable(endpoint: Endpoint): boolean
}

export interface FlowDeps {
  readonly routes: Routes
  readonly dialer: FlowDialer
  readonly load: Load
  readonly clock: Clock
  readonly random: Random
}

export interface FlowFacts {
  readonly port: number
  readonly client: Address
  /** Where the client sends to. */
  readonly destination: Address
  readonly traffic: Traffic
  /** To the client. */
  readonly answer: (bytes: Uint8Array) => boolean
}

/** What waits for a task: the start of a conversation, not more. */
const heldLimit = 32
const heldBytesLimit = 64 * 1024
const waitMs = 1000
const failedDialsLimit = 2

/**
 * One client's datagrams to one published port: they go to one task for as long as that is there,
 * and to another one from then on.
 */
export class Flow implements FlowDialHandler, FlowHandler, Quietable {
  readonly #facts: FlowFacts
  readonly #deps: FlowDeps
  #endpoint: Endpoint | null = null
  #end: FlowEnd | null = null
  #held: Uint8Array[] = []
  #heldBytes = 0
  readonly #tried = new Set<string>()
  #failedDials = 0
  #cancelDial: CancelDial = () => {}
  #cancelWait: (() => void) | null = null
  #stopListening = (): void => {}
  #hasMoved = true
  #quietLooks = 0

  constructor(facts: FlowFacts, deps: FlowDeps) {
    this.#facts = facts
    this.#deps = deps
    facts.traffic.opened += 1
    facts.traffic.open += 1
  }

  /** Of the client. */
  push(bytes: Uint8Array): void {
    this.#hasMoved = true
    this.#facts.traffic.bytesIn += bytes.length
    if (this.#end !== null) {
      if (!this.#end.send(bytes)) this.#dropped(1)
      return
    }
    this.#hold(bytes)
    if (this.#endpoint === null && this.#cancelWait === null) this.#tryNext()
  }

  countQuietLooks(): number {
    this.#quietLooks = this.#hasMoved ? 0 : this.#quietLooks + 1
    this.#hasMoved = false
    return this.#quietLooks
  }

  /** Leaves a task that is not in the routes any more. */
  recheck(): void {
    const endpoint = this.#endpoint
    if (endpoint !== null && !this.#isRouted(endpoint)) this.#leave()
  }

  close(): void {
    this.#leave()
    this.#dropHeld()
    this.#facts.traffic.open -= 1
  }

  onOpen(end: FlowEnd): void {
    this.#cancelDial = () => {}
    this.#failedDials = 0
    this.#tried.clear()
    this.#clearWait()
    this.#end = end
    end.setHandler(this)
    for (const bytes of this.#takeHeld()) if (!end.send(bytes)) this.#dropped(1)
  }

  onFailed(failure: DialFailure): void {
    this.#cancelDial = () => {}
    if (failure.kind === 'failed') this.#failedDials += 1
    this.#letGo()
    if (this.#failedDials > failedDialsLimit) this.#giveUp()
    else this.#tryNext()
  }

  /** Of the task. */
  onDatagram(bytes: Uint8Array): void {
    this.#hasMoved = true
    if (this.#facts.answer(bytes)) this.#facts.traffic.bytesOut += bytes.length
    else this.#dropped(1)
  }

  /** The next datagram finds another task; this one is avoided until that has been found. */
  onClosed(): void {
    if (this.#endpoint !== null) this.#tried.add(this.#endpoint.task)
    this.#end = null
    this.#letGo()
  }

  get #listener(): Listener | undefined {
    return this.#deps.routes.listener(this.#facts.port, 'udp')
  }

  #isRouted({ task, generation }: Endpoint): boolean {
    if (this.#deps.routes.isDraining(task)) return false
    const endpoints = this.#listener?.endpoints ?? []
    return endpoints.some((each) => each.task === task && each.generation === generation)
  }

  #tryNext(): void {
    const { load, dialer } = this.#deps
    const endpoint = this.#pick()
    if (endpoint === null) {
      this.#wait()
      return
    }
    this.#endpoint = endpoint
    this.#tried.add(endpoint.task)
    load.add(endpoint.task)
    const request = this.#requestFor(endpoint)
    // A dial may be answered before the call returns: then there is nothing left to cancel.
    const cancel = dialer.dialFlow(endpoint, request, this)
    if (this.#endpoint === endpoint && this.#end === null) this.#cancelDial = cancel
  }

  #requestFor({ task, generation, targetPort }: Endpoint): DialRequest {
    const { client, destination } = this.#facts
    const proxyProtocol = 'none'
    return { task, generation, targetPort, proxyProtocol, client, destination, protocol: 'udp' }
  }

  #pick(): Endpoint | null {
    const { dialer, load, random, routes } = this.#deps
    const listener = this.#listener
    const self = routes.table?.self
    if (listener === undefined || self === undefined) return null
    const endpoints = listener.endpoints.filter(
      (endpoint) => !routes.isDraining(endpoint.task) && dialer.isReachable(endpoint),
    )
    return pickBackend({
      endpoints,
      self,
      prefer: listener.options.prefer,
      balance: listener.options.balance,
      excluded: this.#tried,
      cost: (task) => load.of(task),
      source: this.#facts.client.host,
      turn: load.nextTurn(this.#facts.port),
      random,
    })
  }

  /** A task, or the way to one, may be about to appear. */
  #wait(): void {
    this.#stopListening()
    this.#stopListening = this.#deps.routes.onceChanged(() => {
      this.#tried.clear()
      this.#failedDials = 0
      this.#tryNext()
    })
    this.#cancelWait ??= this.#deps.clock.after(waitMs, () => this.#giveUp())
  }

  /** What waits is lost; the next datagram starts anew. */
  #giveUp(): void {
    this.#facts.traffic.failed += 1
    this.#leave()
    this.#dropHeld()
    this.#tried.clear()
    this.#failedDials = 0
  }

  #leave(): void {
    this.#clearWait()
    this.#cancelDial()
    this.#cancelDial = () => {}
    this.#end?.close()
    this.#end = null
    this.#letGo()
  }

  #letGo(): void {
    if (this.#endpoint !== null) this.#deps.load.remove(this.#endpoint.task)
    this.#endpoint = null
  }

  #clearWait(): void {
    this.#stopListening()
    this.#stopListening = () => {}
    this.#cancelWait?.()
    this.#cancelWait = null
  }

  #hold(bytes: Uint8Array): void {
    if (this.#held.length >= heldLimit || this.#heldBytes + bytes.length > heldBytesLimit) {
      this.#dropped(1)
      return
    }
    this.#held.push(bytes)
    this.#heldBytes += bytes.length
  }

  #takeHeld(): Uint8Array[] {
    const held = this.#held
    this.#held = []
    this.#heldBytes = 0
    return held
  }

  #dropHeld(): void {
    this.#dropped(this.#takeHeld().length)
  }

  #dropped(count: number): void {
    this.#facts.traffic.dropped += count
  }
}
