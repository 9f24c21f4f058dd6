import { Tally } from '../tally.ts'
import { type ControlOutcome, simulateControl } from './simulation.ts'

export interface ControlSearchOptions {
  readonly firstSeed: number
  /** At most so many, and none begins when the time is over. */
  readonly seeds: number
  readonly cpuSeconds: number
  readonly failuresWanted: number
  readonly onSeed?: (outcome: ControlOutcome) => void
}

/** Plays one seed after the other, none left out, and adds up what happened. */
export class ControlSearch {
  readonly #options: ControlSearchOptions
  readonly #startedAt = process.cpuUsage()
  readonly faults = new Tally()
  readonly failed: ControlOutcome[] = []
  seeds = 0
  passes = 0
  starts = 0
  elections = 0
  simulatedMs = 0
  slowestMs = 0

  constructor(options: ControlSearchOptions) {
    this.#options = options
  }

  get cpuSeconds(): number {
    const { user, system } = process.cpuUsage(this.#startedAt)
    return (user + system) / 1e6
  }

  async run(): Promise<void> {
    const { firstSeed, seeds, cpuSeconds, failuresWanted, onSeed } = this.#options
    while (this.seeds < seeds && this.failed.length < failuresWanted) {
      const outcome = await simulateControl(firstSeed + this.seeds)
      this.#add(outcome)
      onSeed?.(outcome)
      if (this.cpuSeconds >= cpuSeconds) return
    }
  }

  describe(): string {
    const first = this.#options.firstSeed
    const failed = this.failed.map(({ seed }) => seed).join(', ')
    return [
      `seeds ${first} to ${first + this.seeds - 1} in ${this.cpuSeconds.toFixed(1)} CPU seconds`,
      `${(this.simulatedMs / 3_600_000).toFixed(2)} hours simulated`,
      `${this.passes} passes of ${this.elections} leaders, ${this.starts} containers started`,
      `at rest ${Math.round(this.slowestMs / 1000)} s after the last fault at the latest`,
      `${this.faults.total} faults and orders:`,
      ...this.faults.entries().map(([kind, count]) => `  ${kind}: ${count}`),
      failed === '' ? 'no violation' : `violations in seeds ${failed}`,
    ].join('\n')
  }

  #add(outcome: ControlOutcome): void {
    this.seeds++
    this.passes += outcome.passes
    this.starts += outcome.starts
    this.elections += outcome.elections
    this.simulatedMs += outcome.simulatedMs
    this.slowestMs = Math.max(this.slowestMs, outcome.convergedMs ?? 0)
    this.faults.add(outcome.faults)
    if (outcome.violations.length > 0) this.failed.push(outcome)
  }
}
