import type { Random } from '../../mesh/base/random.ts'
import { sleep } from './daemon.ts'
import type { Operation, Value } from './linearizability.ts'
import type { Held, RegisterClient, WriteOutcome } from './register-client.ts'

const operationsPerKey = 150
const keysInUse = 8
/** Before asking again when a daemon is away: its socket refuses at once. */
const awayMs = 20

export interface WorkloadOptions {
  /** One a daemon; each client asks all of them. */
  readonly daemons: readonly RegisterClient[]
  readonly clients: number
  readonly random: Random
}

export interface WorkloadSize {
  readonly operations: number
  readonly minMs: number
  readonly limitMs: number
}

/**
 * Clients that read and swap a few registers at a time, each call on a daemon drawn anew, and the
 * history of what they were told. Registers are left behind after a while, so that each one's part
 * of the history stays short.
 */
export class RegisterWorkload {
  readonly #options: WorkloadOptions
  readonly #history: Operation[] = []
  readonly #ids = new Map<string, string>()
  /** Each value is written once, so versions and values must stand for one another. */
  readonly #versions = new Map<string, number>()
  #values = 0
  #unknown = 0

  constructor(options: WorkloadOptions) {
    this.#options = options
  }

  /** Without what certainly did not happen: a refused connection, or no leader to write. */
  get history(): readonly Operation[] {
    return this.#history
  }

  get unknownCount(): number {
    return this.#unknown
  }

  /** Ends with so many operations in the history, but not before its least time; or at its limit. */
  async run({ operations, minMs, limitMs }: WorkloadSize): Promise<void> {
    const startedMs = performance.now()
    const isOver = (): boolean => {
      const tookMs = performance.now() - startedMs
      return tookMs >= limitMs || (tookMs >= minMs && this.#history.length >= operations)
    }
    const clients = Array.from({ length: this.#options.clients }, () => this.#client(isOver))
    await Promise.all(clients)
  }

  async #client(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      const key = this.#drawKey()
      const seen = await this.#read(key)
      if (seen === 'nothing') await sleep(awayMs)
      else if (seen === 'absent') await this.#create(key)
      // A while may pass between looking and writing: somebody else is then quicker.
      else if (this.#options.random.below(3) > 0) await this.#swap(key, seen)
    }
  }

  #drawKey(): string {
    const first = Math.floor(this.#history.length / operationsPerKey)
    return `register-${first + this.#options.random.below(keysInUse)}`
  }

  #drawDaemon(): RegisterClient {
    const { daemons, random } = this.#options
    return daemons[random.below(daemons.length)] as RegisterClient
  }

  async #read(key: string): Promise<Held | 'absent' | 'nothing'> {
    const calledAt = performance.now()
    const outcome = await this.#drawDaemon().read(this.#ids.get(key) ?? key)
    if (outcome.kind === 'nothing') return 'nothing'
    const value = outcome.kind === 'held' ? outcome.held.value : null
    const returnedAt = performance.now()
    this.#history.push({ key, calledAt, returnedAt, action: { kind: 'read', value } })
    if (outcome.kind === 'absent') return 'absent'
    this.#ids.set(key, outcome.held.id)
    this.#compareVersion(outcome.held)
    return outcome.held
  }

  #compareVersion({ value, version }: Held): void {
    const known = this.#versions.get(value) ?? version
    this.#versions.set(value, known)
    if (known === version) return
    throw new Error(`value ${value} was read at version ${known} and at version ${version}`)
  }

  async #create(key: string): Promise<void> {
    await this.#write(key, null, (value) => this.#drawDaemon().create(key, value))
  }

  async #swap(key: string, held: Held): Promise<void> {
    await this.#write(key, held.value, (value) => this.#drawDaemon().swap(key, held, value))
  }

  async #write(
    key: string,
    expected: Value,
    call: (value: string) => Promise<WriteOutcome>,
  ): Promise<void> {
    const value = `v${++this.#values}`
    const calledAt = performance.now()
    const outcome = await call(value)
    const action = { kind: 'compare-and-set', expected, value } as const
    if (outcome.kind === 'nothing') return sleep(awayMs)
    if (outcome.kind === 'unknown') {
      this.#unknown++
      this.#history.push({
        ...{ key, calledAt, returnedAt: Infinity },
        action: { ...action, isTaken: null },
      })
      return
    }
    const isTaken = outcome.kind === 'taken'
    const returnedAt = performance.now()
    this.#history.push({ key, calledAt, returnedAt, action: { ...action, isTaken } })
  }
}
