import type { Report } from './violation.ts'

/** A read or write on its way, with what was known to be true before it began. */
export interface Operation {
  readonly key: string
  /** No operation that ended before this one began saw, or made, a later version. */
  readonly floor: number
}

interface Register {
  floor: number
  readonly values: Map<number, string>
}

/**
 * Registers, judged while the history grows. The index of the log at which a value was written is
 * its version, and the order of versions is the order of writes: a history is linearizable when
 * that order never runs against real time, and a version never has two values.
 */
export class RegisterChecker {
  readonly #registers = new Map<string, Register>()
  readonly #report: Report
  reads = 0
  writes = 0

  constructor(report: Report) {
    this.#report = report
  }

  begin(key: string): Operation {
    return { key, floor: this.#register(key).floor }
  }

  wrote(operation: Operation, version: number, value: string): void {
    this.writes++
    const { key, floor } = operation
    if (version <= floor) {
      this.#report('linearizable writes', `${key}: written as ${version}, known before: ${floor}`)
    }
    this.#saw(key, version, value)
  }

  read(operation: Operation, version: number, value: string): void {
    this.reads++
    const { key, floor } = operation
    if (version < floor) {
      this.#report('linearizable reads', `${key}: read ${version}, known before: ${floor}`)
    }
    this.#saw(key, version, value)
  }

  #saw(key: string, version: number, value: string): void {
    const register = this.#register(key)
    const known = register.values.get(version)
    if (known !== undefined && known !== value) {
      this.#report('one value a version', `${key} at ${version}: ${known}, ${value}`)
    }
    register.values.set(version, value)
    register.floor = Math.max(register.floor, version)
  }

  #register(key: string): Register {
    const register = this.#registers.get(key) ?? { floor: 0, values: new Map() }
    this.#registers.set(key, register)
    return register
  }
}
