import { Tally } from './tally.ts'
import type { Violation } from './violation.ts'

/** What every simulation of a seed ends with. */
export interface Played {
  readonly seed: number
  readonly simulatedMs: number
  readonly elections: number
  readonly faults: Tally
  /** Equal for two runs of a seed. */
  readonly trace: string
  /** The first ones; none when the seed passed. */
  readonly violations: readonly Violation[]
}

export interface SeedSearchOptions<Outcome> {
  readonly firstSeed: number
  /** At most so many; no limit when absent. */
  readonly seeds?: number
  /** The last seed that begins in time is played to its end. */
  readonly cpuSeconds: number
  readonly failuresWanted: number
  readonly onSeed?: (outcome: Outcome) => void
}

/** Plays one seed after the other, none left out, and adds up what happened. */
export abstract class SeedSearch<Outcome extends Played> {
  readonly #options: SeedSearchOptions<Outcome>
  readonly #startedAt = process.cpuUsage()
  readonly faults = new Tally()
  readonly failed: Outcome[] = []
  /** When each of the failures was found, in seconds of processor time. */
  readonly failedAtCpuSeconds: number[] = []
  seeds = 0
  elections = 0
  simulatedMs = 0

  constructor(options: SeedSearchOptions<Outcome>) {
    this.#options = options
  }

  protected abstract play(seed: number): Promise<Outcome>

  /** Adds up what this simulation counts beside the others. */
  protected abstract count(outcome: Outcome): void

  /** What was counted, a line each; the last one is followed by the faults by kind. */
  protected abstract facts(): readonly string[]

  get cpuSeconds(): number {
    const { user, system } = process.cpuUsage(this.#startedAt)
    return (user + system) / 1e6
  }

  async run(): Promise<void> {
    const { firstSeed, seeds = Infinity, cpuSeconds, failuresWanted, onSeed } = this.#options
    while (this.seeds < seeds && this.failed.length < failuresWanted) {
      const outcome = await this.play(firstSeed + this.seeds)
      this.#add(outcome)
      onSeed?.(outcome)
      if (this.cpuSeconds >= cpuSeconds) return
    }
  }

  describe(): string {
    const hours = this.simulatedMs / 3_600_000
    const perMinute = (hours * 60) / this.cpuSeconds
    const first = this.#options.firstSeed
    const failed = this.failed.map(({ seed }) => seed).join(', ')
    return [
      `seeds ${first} to ${first + this.seeds - 1} in ${this.cpuSeconds.toFixed(1)} CPU seconds`,
      `${hours.toFixed(2)} hours simulated: ${perMinute.toFixed(2)} a CPU minute`,
      ...this.facts(),
      ...this.faults.entries().map(([kind, count]) => `  ${kind}: ${count}`),
      failed === '' ? 'no violation' : `violations in seeds ${failed}`,
    ].join('\n')
  }

  #add(outcome: Outcome): void {
    this.seeds++
    this.elections += outcome.elections
    this.simulatedMs += outcome.simulatedMs
    this.faults.add(outcome.faults)
    this.count(outcome)
    if (outcome.violations.length === 0) return
    this.failed.push(outcome)
    this.failedAtCpuSeconds.push(this.cpuSeconds)
  }
}
