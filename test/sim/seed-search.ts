import { simulateRaft, type Outcome } from './raft-simulation.ts'
import { Tally } from './tally.ts'

export interface SeedSearchOptions {
  readonly firstSeed: number
  /** The last seed that begins in time is played to its end. */
  readonly cpuSeconds: number
  readonly failuresWanted: number
  readonly onSeed?: (outcome: Outcome) => void
}

/** Plays one seed after the other, none left out, and adds up what happened. */
export class SeedSearch {
  readonly #options: SeedSearchOptions
  readonly #startedAt = process.cpuUsage()
  readonly faults = new Tally()
  readonly failed: Outcome[] = []
  /** When each of the failures was found, in seconds of processor time. */
  readonly failedAtCpuSeconds: number[] = []
  seeds = 0
  elections = 0
  operations = 0
  simulatedMs = 0

  constructor(options: SeedSearchOptions) {
    this.#options = options
  }

  get cpuSeconds(): number {
    const { user, system } = process.cpuUsage(this.#startedAt)
    return (user + system) / 1e6
  }

  async run(): Promise<void> {
    const { firstSeed, cpuSeconds, failuresWanted, onSeed } = this.#options
    do {
      const outcome = await simulateRaft(firstSeed + this.seeds)
      this.#add(outcome)
      onSeed?.(outcome)
    } while (this.cpuSeconds < cpuSeconds && this.failed.length < failuresWanted)
  }

  describe(): string {
    const hours = this.simulatedMs / 3_600_000
    const perMinute = (hours * 60) / this.cpuSeconds
    const first = this.#options.firstSeed
    const failed = this.failed.map(({ setting }) => setting.seed).join(', ')
    return [
      `seeds ${first} to ${first + this.seeds - 1} in ${this.cpuSeconds.toFixed(1)} CPU seconds`,
      `${hours.toFixed(2)} hours simulated: ${perMinute.toFixed(2)} a CPU minute`,
      `${this.elections} elections, ${this.operations} client operations`,
      `${this.faults.total} faults:`,
      ...this.faults.entries().map(([kind, count]) => `  ${kind}: ${count}`),
      failed === '' ? 'no violation' : `violations in seeds ${failed}`,
    ].join('\n')
  }

  #add(outcome: Outcome): void {
    this.seeds++
    this.elections += outcome.elections
    this.operations += outcome.reads + outcome.writes
    this.simulatedMs += outcome.simulatedMs
    this.faults.add(outcome.faults)
    if (outcome.violations.length === 0) return
    this.failed.push(outcome)
    this.failedAtCpuSeconds.push(this.cpuSeconds)
  }
}
