import { unreachable } from '../../mesh/base/assert.ts'
import type { Clock } from '../../mesh/base/clock.ts'
import type { Log, LogFacts } from '../../mesh/base/log.ts'
import type { Listener } from '../routing/route-table.ts'
import type { FromIngress, ToIngress } from '../wire/ingress-message.ts'
import type { ControlServer } from './control-server.ts'
import { Crew, type WorkerEvents, type WorkerHandle } from './crew.ts'
import type { AccessBatch } from './http/access-log.ts'
import { placeKey, placesOf, type Place } from './place.ts'
import { PortKeeper, type TryPlace } from './port-keeper.ts'

export interface IngressOptions {
  readonly listenAddress: string
  readonly dataPathPort: number
  readonly workers: number
  readonly version: string
}

export interface IngressDeps {
  readonly tryPlace: TryPlace
  /** All addresses of this machine, now. */
  readonly localAddresses: () => readonly string[]
  readonly clock: Clock
  readonly log: Log
  /** Never rejects; lines that nobody takes are lost. */
  readonly accessLog: (lines: readonly LogFacts[]) => Promise<void>
  readonly pid: number
  readonly spawn: (events: WorkerEvents) => WorkerHandle
  /** Nothing is left to do. */
  readonly onFinished: () => void
}

/** How long open connections may live once the ingress is to end. */
const finishLimitMs = 10_000
/** Without a meshd for this long, nobody will come back for this ingress. */
export const aloneLimitMs = 600_000
const countersPeriodMs = 1000
/** Addresses of a machine come and go without a word. */
const addressesPeriodMs = 5000

/**
 * The main thread: takes meshd's word to the workers and theirs back, and keeps the ports. When
 * meshd goes away everything carries on as it last said.
 */
export class Ingress {
  readonly #options: IngressOptions
  readonly #deps: IngressDeps
  readonly #crew: Crew
  readonly #keeper: PortKeeper
  #control: ControlServer | null = null
  #cancelAlone: () => void
  #listeners: readonly Listener[] = []
  readonly #endTimers: (() => void)[]
  #toldPlaces = ''
  #isFinishing = false
  #isFinished = false

  constructor(options: IngressOptions, deps: IngressDeps) {
    this.#options = options
    this.#deps = deps
    const { tryPlace, clock, log, spawn } = deps
    this.#keeper = new PortKeeper({
      tryPlace,
      clock,
      log,
      isOwn: (host) => host === options.listenAddress || host === '::',
      onFree: (places) => this.#placesChanged(places),
      onConflicts: (ports) => this.#tell({ kind: 'port-conflicts', ports }),
    })
    this.#crew = new Crew({
      size: options.workers,
      clock,
      log,
      spawn,
      listener: {
        onApplied: (version) => this.#tell({ kind: 'applied', version }),
        onListenFailed: (place, code) => this.#keeper.lost(place, code),
        onPeerStatus: (node, answers) => this.#tell({ kind: 'peer-status', node, answers }),
        onOpenConnections: (task, open) => this.#tell({ kind: 'open-connections', task, open }),
        onAccess: (batch) => this.#writeAccess(batch),
        onWarning: (message, facts) => {
          log.warn(facts, message)
          this.#tell({ kind: 'warning', message, facts })
        },
        onFinished: () => this.#end(),
      },
    })
    this.#want()
    this.#cancelAlone = this.#endWhenAlone()
    this.#endTimers = [
      clock.every(countersPeriodMs, () => {
        this.#tell({ kind: 'counters', counts: this.#crew.counts() })
        this.#tellPlaces()
      }),
      clock.every(addressesPeriodMs, () => this.#want()),
    ]
  }

  attach(control: ControlServer): void {
    this.#control = control
  }

  receive(message: ToIngress): void {
    switch (message.kind) {
      case 'hello':
        return this.#greet()
      case 'identity':
        return this.#crew.setIdentity(message.identity)
      case 'routes':
        this.#listeners = message.table.listeners
        this.#crew.setRoutes(message.table)
        return this.#want()
      case 'drain':
        return this.#crew.drain(message.task)
      case 'shutdown':
        if (message.graceful) this.finish('meshd said so')
        else this.#end()
        return
      default:
        return unreachable(message)
    }
  }

  /** Nobody leads: the last table stays, for ten minutes. */
  alone(): void {
    if (this.#isFinishing) return
    this.#deps.log.warn({}, 'meshd is gone; carrying on with the last routes')
    this.#cancelAlone()
    this.#cancelAlone = this.#endWhenAlone()
  }

  /** Accepts nothing more, and ends with its last connection or after ten seconds. */
  finish(because: string): void {
    if (this.#isFinishing) return
    this.#isFinishing = true
    this.#deps.log.info({ because }, 'ingress ends once its connections have')
    this.#cancelAlone()
    this.#tell({ kind: 'stopping' })
    this.#control?.stopListening()
    this.#keeper.stop()
    this.#crew.finish()
    this.#deps.clock.after(finishLimitMs, () => this.#end())
  }

  #greet(): void {
    this.#cancelAlone()
    this.#tell({ kind: 'ready', version: this.#options.version, pid: this.#deps.pid })
    this.#tell({ kind: 'applied', version: this.#crew.applied })
    this.#tell({ kind: 'port-conflicts', ports: this.#keeper.conflicts })
    this.#toldPlaces = ''
    this.#tellPlaces()
    for (const [node, answers] of this.#crew.peerStatus) {
      this.#tell({ kind: 'peer-status', node, answers })
    }
  }

  /** The data path stays where it is, also without any published port. */
  #want(): void {
    if (this.#isFinishing) return
    const local = this.#deps.localAddresses()
    const { listenAddress } = this.#options
    // On a machine with IPv6, clients of both kinds come in through one listener.
    const isDualStack = listenAddress === '0.0.0.0' && local.includes('::1')
    const listen = isDualStack ? '::' : listenAddress
    const published = placesOf(this.#listeners, { listen, local })
    this.#keeper.setWanted([this.#dataPathPlace, ...published])
  }

  get #dataPathPlace(): Place {
    const { listenAddress, dataPathPort } = this.#options
    return { protocol: 'tcp', host: listenAddress, port: dataPathPort }
  }

  #placesChanged(free: readonly Place[]): void {
    const dataPath = placeKey(this.#dataPathPlace)
    const published = free.filter((place) => placeKey(place) !== dataPath)
    this.#crew.setPlaces(published, published.length < free.length)
  }

  /** Ports open and close in crowds: each change by itself would tell of all the others again. */
  #tellPlaces(): void {
    const places = this.#keeper.states
    const told = JSON.stringify(places)
    if (told === this.#toldPlaces) return
    this.#toldPlaces = told
    this.#tell({ kind: 'places', places })
  }

  #writeAccess({ lines, dropped }: AccessBatch): Promise<void> {
    if (dropped > 0) this.#deps.log.warn({ dropped }, 'lines of the access log found no room')
    const readable = lines.map(({ startedAtMs, ...line }) => ({
      startedAt: new Date(startedAtMs).toISOString(),
      ...line,
    }))
    return this.#deps.accessLog(readable)
  }

  #endWhenAlone(): () => void {
    return this.#deps.clock.after(aloneLimitMs, () => this.finish('alone for ten minutes'))
  }

  #tell(message: FromIngress): void {
    this.#control?.send(message)
  }

  #end(): void {
    if (this.#isFinished) return
    this.#isFinished = true
    for (const end of this.#endTimers) end()
    this.#cancelAlone()
    this.#keeper.stop()
    this.#crew.terminate()
    this.#deps.onFinished()
  }
}
