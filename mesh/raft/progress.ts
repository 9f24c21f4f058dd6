import { InvariantError, unreachable } from '../base/assert.ts'
import { Inflights, type InflightLimits } from './inflights.ts'

/**
 * How a leader feeds one peer. `probe`: it does not know where the logs meet, and sends one message
 * a round. `replicate`: it sends ahead, as far as the window allows. `snapshot`: the log no longer
 * reaches back far enough, and appends wait for the snapshot.
 */
export type ProgressState = 'probe' | 'replicate' | 'snapshot'

export interface ProgressStart {
  readonly match: number
  readonly next: number
  readonly isLearner: boolean
  readonly isRecentlyActive: boolean
}

/** What a leader knows of a peer's log. Always `match < next`. */
export class Progress {
  /** The peer's log is known to agree up to here. */
  match: number
  /** The next entry to send; what lies between it and `match` is in flight. */
  next: number
  state: ProgressState = 'probe'
  /** The index of the snapshot that is on its way; 0 outside of `snapshot`. */
  pendingSnapshot = 0
  /** Something was heard of it since CheckQuorum last looked. */
  isRecentlyActive: boolean
  /** Sending waits until the next heartbeat or answer. */
  isFlowPaused = false
  isLearner: boolean
  readonly inflights: Inflights
  /** The highest commit index sent to the peer. */
  #sentCommit = 0

  constructor(start: ProgressStart, inflights: Inflights | InflightLimits) {
    this.match = start.match
    this.next = start.next
    this.isLearner = start.isLearner
    this.isRecentlyActive = start.isRecentlyActive
    this.inflights = inflights instanceof Inflights ? inflights : new Inflights(inflights)
  }

  /** For a membership change that may still be refused; the window is shared. */
  copy(): Progress {
    const copy = new Progress(this, this.inflights)
    copy.state = this.state
    copy.pendingSnapshot = this.pendingSnapshot
    copy.isFlowPaused = this.isFlowPaused
    copy.#sentCommit = this.#sentCommit
    return copy
  }

  get isPaused(): boolean {
    return this.state === 'snapshot' || this.isFlowPaused
  }

  becomeProbe(): void {
    // After a snapshot we know that the peer holds all of it, even when it has not said so yet.
    const held = this.state === 'snapshot' ? Math.max(this.match, this.pendingSnapshot) : this.match
    this.#enter('probe')
    this.next = held + 1
    this.#sentCommit = Math.min(this.#sentCommit, held)
  }

  becomeReplicate(): void {
    this.#enter('replicate')
    this.next = this.match + 1
  }

  becomeSnapshot(index: number): void {
    this.#enter('snapshot')
    this.pendingSnapshot = index
    this.next = index + 1
    this.#sentCommit = index
  }

  /** Accounts for an append message that leaves now. */
  sentEntries(count: number, bytes: number): void {
    switch (this.state) {
      case 'replicate':
        if (count > 0) {
          this.next += count
          this.inflights.add(this.next - 1, bytes)
        }
        this.isFlowPaused = this.inflights.isFull
        return
      case 'probe':
        // An empty probe does not pause: it only carries the commit index.
        if (count > 0) this.isFlowPaused = true
        return
      case 'snapshot':
        throw new InvariantError('no appends are sent while a snapshot is on its way')
      default:
        unreachable(this.state)
    }
  }

  sentCommit(commit: number): void {
    this.#sentCommit = commit
  }

  /** Whether a message with this commit index could move the peer's own forward. */
  canBumpCommit(commit: number): boolean {
    return commit > this.#sentCommit && this.#sentCommit < this.next - 1
  }

  /** The peer holds everything up to `index`; false when that is old news. */
  maybeUpdate(index: number): boolean {
    if (index <= this.match) return false
    this.match = index
    this.next = Math.max(this.next, index + 1)
    this.isFlowPaused = false
    return true
  }

  /** The peer refused entries after `rejected`; false when that answers an older message. */
  maybeDecrease(rejected: number, matchHint: number): boolean {
    if (this.state === 'replicate') {
      if (rejected <= this.match) return false
      this.next = this.match + 1
    } else {
      if (this.next - 1 !== rejected) return false
      this.next = Math.max(Math.min(rejected, matchHint + 1), this.match + 1)
      this.isFlowPaused = false
    }
    this.#sentCommit = Math.min(this.#sentCommit, this.next - 1)
    return true
  }

  #enter(state: ProgressState): void {
    this.state = state
    this.isFlowPaused = false
    this.pendingSnapshot = 0
    this.inflights.reset()
  }
}
