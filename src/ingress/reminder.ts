import type { Clock } from '../../mesh/base/clock.ts'

const repeatMs = 60_000
const subjectsLimit = 256

/** Keeps a log readable while somebody knocks all day: each thing is said once a minute. */
export class Reminder {
  readonly #clock: Clock
  readonly #saidAtMs = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  shouldSay(subject: string): boolean {
    const nowMs = this.#clock.monotonicMs()
    const saidAtMs = this.#saidAtMs.get(subject)
    if (saidAtMs !== undefined && nowMs - saidAtMs < repeatMs) return false
    // Full of strangers: the log would be as well, so forget the oldest and carry on.
    const oldest = this.#saidAtMs.keys().next().value
    if (this.#saidAtMs.size >= subjectsLimit && oldest !== undefined) this.#saidAtMs.delete(oldest)
    this.#saidAtMs.delete(subject)
    this.#saidAtMs.set(subject, nowMs)
    return true
  }
}
