import { spawnSync } from 'node:child_process'
import type { Random } from '../../mesh/base/random.ts'
import { eventually, sleep, type Daemon } from './daemon.ts'

export type FaultKind = 'kill' | 'pause' | 'cut'

const meshPort = 7946
const cutPeriodMs = 50
const upWithinMs = 30_000

export interface NemesisOptions {
  readonly daemons: readonly Daemon[]
  readonly isActive: (daemon: Daemon) => Promise<boolean>
  readonly kinds: readonly FaultKind[]
  readonly random: Random
}

/** Does harm to daemons, one fault after the other; mostly to a minority, sometimes to a majority. */
export class Nemesis {
  readonly #options: NemesisOptions
  readonly #counts: Record<FaultKind, number> = { kill: 0, pause: 0, cut: 0 }
  #isEnding = false

  constructor(options: NemesisOptions) {
    this.#options = options
  }

  /** How often each fault was done to a daemon. */
  get counts(): Readonly<Record<FaultKind, number>> {
    return this.#counts
  }

  /** Until `stop`; all daemons are up again when it resolves. */
  async run(): Promise<void> {
    const { random, kinds } = this.#options
    for (let turn = 0; !this.#isEnding; turn++) {
      // Each kind comes once before any comes again.
      const kind = kinds[turn % kinds.length] as FaultKind
      const victims = this.#drawVictims()
      await Promise.all(victims.map((daemon) => this.#harm(kind, daemon)))
      await sleep(300 + random.below(1200))
    }
  }

  stop(): void {
    this.#isEnding = true
  }

  #drawVictims(): Daemon[] {
    const { daemons, random } = this.#options
    const first = random.below(daemons.length)
    const count = random.below(6) === 0 ? 2 : 1
    return Array.from(
      { length: count },
      (_, at) => daemons[(first + at) % daemons.length] as Daemon,
    )
  }

  #harm(kind: FaultKind, daemon: Daemon): Promise<void> {
    this.#counts[kind]++
    switch (kind) {
      case 'kill':
        return this.#kill(daemon)
      case 'pause':
        return this.#pause(daemon)
      case 'cut':
        return this.#cut(daemon)
    }
  }

  async #kill(daemon: Daemon): Promise<void> {
    await daemon.killNode()
    await sleep(this.#options.random.below(1500))
    daemon.start()
    await eventually(`${daemon.options.name} is up again`, upWithinMs, () => {
      if (!daemon.isRunning) throw new Error(`it ended:\n${daemon.log().slice(-2000)}`)
      return this.#options.isActive(daemon)
    })
  }

  /** Longer than an election takes: a leader that wakes up must not believe it still is one. */
  async #pause(daemon: Daemon): Promise<void> {
    process.kill(daemon.pid, 'SIGSTOP')
    await sleep(200 + this.#options.random.below(2500))
    process.kill(daemon.pid, 'SIGCONT')
  }

  /** Whatever connection others have to it is cut, and each new one, for a while. */
  async #cut(daemon: Daemon): Promise<void> {
    const untilMs = performance.now() + this.#options.random.below(1500)
    do {
      cutConnections(daemon.address)
      await sleep(cutPeriodMs)
    } while (performance.now() < untilMs)
  }
}

const cutFilter = (address: string): string[] => ['dst', address, 'dport', '=', `:${meshPort}`]

function cutConnections(address: string): void {
  spawnSync('ss', ['--kill', '--no-header', '--tcp', ...cutFilter(address)], { stdio: 'ignore' })
}

/** Why connections cannot be cut here; null when they can. */
export function cuttingUnavailable(): string | null {
  if (process.getuid?.() !== 0) return 'only root can cut connections of other processes'
  const { error } = spawnSync('ss', ['--version'], { stdio: 'ignore' })
  return error === undefined ? null : 'there is no ss on the PATH'
}
