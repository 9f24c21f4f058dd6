import { unreachable } from '../../mesh/base/assert.ts'
import type { Clock } from '../../mesh/base/clock.ts'
import type { Log } from '../../mesh/base/log.ts'
import type { FromIngress, ToIngress } from '../wire/ingress-message.ts'
import type { ControlServer } from './control-server.ts'
import { Crew, type WorkerEvents, type WorkerHandle } from './crew.ts'
import type { Loop } from './loop.ts'
import { PortKeeper } from './port-keeper.ts'

export interface IngressOptions {
  readonly listenAddress: string
  readonly dataPathPort: number
  readonly workers: number
  readonly version: string
}

export interface IngressDeps {
  readonly loop: Loop
  readonly clock: Clock
  readonly log: Log
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
  readonly #endCounters: () => void
  #isFinishing = false
  #isFinished = false

  constructor(options: IngressOptions, deps: IngressDeps) {
    this.#options = options
    this.#deps = deps
    const { loop, clock, log, spawn } = deps
    this.#keeper = new PortKeeper({
      loop,
      clock,
      log,
      listenAddress: options.listenAddress,
      onFree: (ports) => this.#portsChanged(ports),
      onConflicts: (ports) => this.#tell({ kind: 'port-conflicts', ports }),
    })
    this.#crew = new Crew({
      size: options.workers,
      clock,
      log,
      spawn,
      listener: {
        onApplied: (version) => this.#tell({ kind: 'applied', version }),
        onListenFailed: (port, code) => this.#keeper.lost(port, code),
        onPeerStatus: (node, answers) => this.#tell({ kind: 'peer-status', node, answers }),
        onOpenConnections: (task, open) => this.#tell({ kind: 'open-connections', task, open }),
        onWarning: (message, facts) => {
          log.warn(facts, message)
          this.#tell({ kind: 'warning', message, facts })
        },
        onFinished: () => this.#end(),
      },
    })
    this.#keeper.setWanted(new Set([options.dataPathPort]))
    this.#cancelAlone = this.#endWhenAlone()
    this.#endCounters = clock.every(countersPeriodMs, () => {
      this.#tell({ kind: 'counters', ...this.#crew.counters() })
    })
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
      case 'routes': {
        const published = message.table.listeners.map((listener) => listener.port)
        this.#crew.setRoutes(message.table)
        if (!this.#isFinishing) {
          this.#keeper.setWanted(new Set([this.#options.dataPathPort, ...published]))
        }
        return
      }
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
    for (const [node, answers] of this.#crew.peerStatus) {
      this.#tell({ kind: 'peer-status', node, answers })
    }
  }

  #portsChanged(free: ReadonlySet<number>): void {
    const { dataPathPort } = this.#options
    const published = new Set(free)
    const hasDataPath = published.delete(dataPathPort)
    this.#crew.setPorts(published, hasDataPath)
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
    this.#endCounters()
    this.#cancelAlone()
    this.#keeper.stop()
    this.#crew.terminate()
    this.#deps.onFinished()
  }
}
