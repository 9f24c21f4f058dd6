import type { Clock } from '../base/clock.ts'
import type { DiskRoom } from '../base/disk.ts'
import type { Log } from '../base/log.ts'
import { MeshError } from '../base/mesh-error.ts'
import { isDiskFull } from '../storage/disk-full.ts'

/** Kept for Raft's own words, votes above all, and for the snapshot that makes room. */
const reserveBytes = 16 * 1024 * 1024
const lookEveryMs = 1000
/** Another program can fill a disk between two looks: whoever asks does not rely on an older one. */
const looksOldMs = 50
/** A disk that does not even say how full it is holds up nobody for longer. */
const lookLimitMs = 200
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
  #lookedAtMs = Number.NEGATIVE_INFINITY
  #looking: Promise<void> | null = null

  constructor(deps: LogRoomDeps) {
    this.#deps = deps
    this.#stopLooking = deps.clock.every(lookEveryMs, () => void this.#look())
  }

  /** What a new change is refused with, as of this moment; null when there is room. */
  async refusal(): Promise<MeshError | null> {
    const isOld = this.#deps.clock.monotonicMs() - this.#lookedAtMs > looksOldMs
    if (isOld) await Promise.race([this.#look(), this.#pause(lookLimitMs)])
    return this.#isLow || this.#isWaiting ? this.#full() : null
  }

  /** The same for whoever cannot be answered before a write has fitted. */
  standstill(): MeshError | null {
    return this.#isWaiting ? this.#full() : null
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
      await this.#pause(tryAgainMs)
    }
    return null
  }

  stop(): void {
    this.#isStopped = true
    this.#stopLooking()
    this.#stopped.resolve()
  }

  #full(): MeshError {
    return new MeshError({ code: 'storage/full', ...this.#last, reserveBytes })
  }

  /** Everybody who asks meanwhile shares the answer. */
  #look(): Promise<void> {
    this.#looking ??= this.#lookNow().finally(() => {
      this.#looking = null
    })
    return this.#looking
  }

  async #lookNow(): Promise<void> {
    const { room, clock, log, onLow } = this.#deps
    const atMs = clock.monotonicMs()
    try {
      this.#last = await room()
      this.#lookedAtMs = atMs
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

  #pause(delayMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#deps.clock.after(delayMs, resolve)
    return Promise.race([promise, this.#stopped.promise]).finally(cancel)
  }
}
