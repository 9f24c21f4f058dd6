import { SeedSearch } from '../seed-search.ts'
import { type ControlOutcome, simulateControl } from './simulation.ts'

/** What leaders, agents and engines make of what was agreed on. */
export class ControlSearch extends SeedSearch<ControlOutcome> {
  passes = 0
  starts = 0
  slowestMs = 0

  protected play(seed: number): Promise<ControlOutcome> {
    return simulateControl(seed)
  }

  protected count({ passes, starts, convergedMs }: ControlOutcome): void {
    this.passes += passes
    this.starts += starts
    this.slowestMs = Math.max(this.slowestMs, convergedMs ?? 0)
  }

  protected facts(): readonly string[] {
    return [
      `${this.passes} passes of ${this.elections} leaders, ${this.starts} containers started`,
      `at rest ${Math.round(this.slowestMs / 1000)} s after the last fault at the latest`,
      `${this.faults.total} faults and orders:`,
    ]
  }
}
