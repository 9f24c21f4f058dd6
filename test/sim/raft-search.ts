import { simulateRaft, type Outcome } from './raft-simulation.ts'
import { SeedSearch } from './seed-search.ts'

/** How managers agree. */
export class RaftSearch extends SeedSearch<Outcome> {
  operations = 0

  protected play(seed: number): Promise<Outcome> {
    return simulateRaft(seed)
  }

  protected count({ reads, writes }: Outcome): void {
    this.operations += reads + writes
  }

  protected facts(): readonly string[] {
    return [
      `${this.elections} elections, ${this.operations} client operations`,
      `${this.faults.total} faults:`,
    ]
  }
}
