import type { Clock } from '../base/clock.ts'
import type { DiskRoom } from '../base/disk.ts'
import type { Log } from '../base/log.ts'
import { MeshError } from '../base/mesh-error.ts'
import { isDiskFull } from '../storage/disk-full.ts'

/** Kept for Raft's own words, votes above all, and for the snapshot that makes room. */
const reserveBytes = 16 * 1024 * 1024
const lookEveryMs = 1000
const tryAgainMs = 500

export interface LogRoomDeps {
  readonly room: () => Promise<DiskRoom>
  readonly clock: Clock
  readonly log: Log
  /** Little is left: somebody else should lead. Called once each time. */
  readonly onLow: () => void
}

/**
 * Whether the disk has room for the log. New changes are refused while it still has some; what Raft
 * has to keep then waits until it fits, and nothing that depends on it is said before.
 */
export class LogRoom {
  readonly #deps: LogRoomDeps
  readonly #stopLooking: () => void
  readonly #stopped = Promise.withResolvers<void>()
  #isStopped = false
  #last: DiskRoom = { freeBytes: Infinity, where: '' }
  #isLow = false
  #isWaiting = false

  constructor(deps: LogRoomDeps) {
    this.#deps = deps
    this.#stopLooking = deps.clock.every(lookEveryMs, () => void this.#look())
  }

  /** What a new change is refused with; null when there is room. */
  refusal(): MeshError | null {
    if (!this.#isLow && !this.#isWaiting) return null
    return new MeshError({ code: 'storage/full', ...this.#last, reserveBytes })
  }

  /** The same for whoever cannot be answered before a write has fitted. */
  standstill(): MeshError | null {
    return this.#isWaiting ? this.refusal() : null
  }

  /** Writes, again and again while the disk is full; null when this node stops before it fitted. */
  async write<T>(act: () => Promise<T>): Promise<T | null> {
    while (!this.#isStopped) {
      try {
        const written = await act()
        if (this.#isWaiting) await this.#look()
        this.#isWaiting = false
        return written
      } catch (error) {
        if (!isDiskFull(error)) throw error
      }
      if (!this.#isWaiting) this.#deps.log.error({}, 'the disk is full: the log waits for room')
      this.#isWaiting = true
      await this.#look()
      await this.#pause()
    }
    return null
  }

  stop(): void {
    this.#isStopped = true
    this.#stopLooking()
    this.#stopped.resolve()
  }

  async #look(): Promise<void> {
    const { room, log, onLow } = this.#deps
    try {
      this.#last = await room()
    } catch (error) {
      return log.warn({ err: error }, 'cannot tell how much room is on the disk')
    }
    const isLow = this.#last.freeBytes < reserveBytes
    if (isLow === this.#isLow || this.#isStopped) return
    this.#isLow = isLow
    if (isLow) log.error({ ...this.#last, reserveBytes }, 'the disk is full: changes are refused')
    else log.info({ ...this.#last }, 'the disk has room again')
    if (isLow) onLow()
  }

  #pause(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#deps.clock.after(tryAgainMs, resolve)
    return Promise.race([promise, this.#stopped.promise]).finally(cancel)
  }
}
