import { emptyConfiguration, toConfState, type Configuration } from './configuration.ts'
import type { InflightLimits } from './inflights.ts'
import { Progress } from './progress.ts'
import { jointCommitted, jointVote, type VoteResult } from './quorum.ts'
import type { ConfState, RaftId } from './types.ts'

/** Who takes part and how far each of them is: the outcome of a membership change. */
export interface Membership {
  readonly configuration: Configuration
  readonly progress: ReadonlyMap<RaftId, Progress>
}

export interface VoteTally {
  readonly granted: number
  readonly rejected: number
  readonly result: VoteResult
}

/** The members, what is known of their logs, and the votes of the election under way. */
export class ProgressTracker implements Membership {
  readonly limits: InflightLimits
  #configuration: Configuration = emptyConfiguration
  #progress = new Map<RaftId, Progress>()
  #votes = new Map<RaftId, boolean>()

  constructor(limits: InflightLimits) {
    this.limits = limits
  }

  get configuration(): Configuration {
    return this.#configuration
  }

  /** In the order of ids, which is the order in which messages leave. */
  get progress(): ReadonlyMap<RaftId, Progress> {
    return this.#progress
  }

  get confState(): ConfState {
    return toConfState(this.#configuration)
  }

  adopt(membership: Membership): void {
    this.#configuration = membership.configuration
    this.#progress = new Map([...membership.progress].sort(([a], [b]) => a - b))
  }

  /** A new term: nothing is known of any log but our own. */
  restart(self: RaftId, lastIndex: number): void {
    for (const [id, { isLearner }] of this.#progress) {
      const match = id === self ? lastIndex : 0
      const start = { match, next: lastIndex + 1, isLearner, isRecentlyActive: false }
      this.#progress.set(id, new Progress(start, this.limits))
    }
  }

  /** The highest index that a quorum holds. */
  committed(): number {
    return jointCommitted(this.#configuration, (id) => this.#progress.get(id)?.match)
  }

  isQuorumActive(): boolean {
    const active = new Map<RaftId, boolean>()
    for (const [id, { isLearner, isRecentlyActive }] of this.#progress) {
      if (!isLearner) active.set(id, isRecentlyActive)
    }
    return jointVote(this.#configuration, active) === 'won'
  }

  resetVotes(): void {
    this.#votes = new Map()
  }

  /** The first word of a voter counts; a repeated answer changes nothing. */
  recordVote(id: RaftId, isGranted: boolean): void {
    if (!this.#votes.has(id)) this.#votes.set(id, isGranted)
  }

  tallyVotes(): VoteTally {
    let granted = 0
    let rejected = 0
    for (const [id, { isLearner }] of this.#progress) {
      const vote = this.#votes.get(id)
      if (isLearner || vote === undefined) continue
      if (vote) granted++
      else rejected++
    }
    return { granted, rejected, result: jointVote(this.#configuration, this.#votes) }
  }
}
