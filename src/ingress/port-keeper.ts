import type { Clock } from '../../mesh/base/clock.ts'
import type { Log } from '../../mesh/base/log.ts'
import type { Listening, Loop } from './loop.ts'

export interface PortKeeperOptions {
  readonly loop: Loop
  readonly clock: Clock
  readonly log: Log
  readonly listenAddress: string
  /** The ports that are ours to listen on have changed. */
  onFree(ports: ReadonlySet<number>): void
  /** The ports that somebody else holds have changed. */
  onConflicts(ports: readonly number[]): void
}

const retryMs = 1000

/**
 * Finds out whether a port is free before the workers share it: with SO_REUSEPORT alone, another
 * program of the same user, another meshd too, would silently get a part of the connections.
 */
export class PortKeeper {
  readonly #options: PortKeeperOptions
  #wanted: ReadonlySet<number> = new Set()
  readonly #free = new Set<number>()
  readonly #conflicts = new Set<number>()
  readonly #probes = new Map<number, Listening>()
  readonly #endRetries: () => void

  constructor(options: PortKeeperOptions) {
    this.#options = options
    this.#endRetries = options.clock.every(retryMs, () => this.#retry())
  }

  get conflicts(): readonly number[] {
    return [...this.#conflicts].sort((left, right) => left - right)
  }

  setWanted(ports: ReadonlySet<number>): void {
    this.#wanted = ports
    const unwanted = [...this.#free].filter((port) => !ports.has(port))
    for (const port of unwanted) this.#free.delete(port)
    if (unwanted.length > 0) this.#tellFree()
    const ended = [...this.#conflicts].filter((port) => !ports.has(port))
    for (const port of ended) this.#conflicts.delete(port)
    if (ended.length > 0) this.#options.onConflicts(this.conflicts)
    for (const port of ports) {
      if (!this.#free.has(port) && !this.#conflicts.has(port)) this.#probe(port)
    }
  }

  /** A worker could not listen after all: somebody was quicker. */
  lost(port: number, code: string): void {
    if (!this.#free.delete(port)) return
    this.#tellFree()
    this.#conflict(port, code)
  }

  stop(): void {
    this.#endRetries()
    for (const probe of this.#probes.values()) this.#options.loop.unlisten(probe)
    this.#probes.clear()
  }

  #retry(): void {
    for (const port of this.#conflicts) this.#probe(port)
  }

  #probe(port: number): void {
    if (this.#probes.has(port)) return
    const { loop, listenAddress } = this.#options
    const probe = loop.listen(
      { host: listenAddress, port, shared: false },
      {
        onListening: () => {
          this.#probes.delete(port)
          loop.unlisten(probe)
          loop.atTurnEnd(() => this.#isFree(port))
        },
        onListenFailed: (code) => {
          this.#probes.delete(port)
          if (this.#wanted.has(port)) this.#conflict(port, code)
        },
        onAccept: () => null,
      },
    )
    this.#probes.set(port, probe)
  }

  #isFree(port: number): void {
    if (!this.#wanted.has(port)) return
    this.#free.add(port)
    this.#tellFree()
    if (!this.#conflicts.delete(port)) return
    this.#options.log.info({ port }, 'port is free again')
    this.#options.onConflicts(this.conflicts)
  }

  #conflict(port: number, code: string): void {
    if (this.#conflicts.has(port)) return
    this.#conflicts.add(port)
    this.#options.log.warn({ port, code }, 'cannot listen on port; trying again every second')
    this.#options.onConflicts(this.conflicts)
  }

  #tellFree(): void {
    this.#options.onFree(new Set(this.#free))
  }
}
