import { assert } from '../../mesh/base/assert.ts'
import type { Calls } from './calls.ts'
import { mapAnonymous, type Mapping } from './mapping.ts'

export const slabBytes = 64 * 1024
const dontNeed = 4
const isFree = 0
const isTaken = 1

/**
 * All memory that the kernel reads and writes for one ring: slabs of one size, mapped once. The
 * rest of the house sees numbers and views, never an address. Pages that nobody used cost nothing,
 * so the slabs used last are the first to be used again.
 */
export class Arena {
  readonly count: number
  readonly #calls: Calls
  readonly #mapping: Mapping
  readonly #views: Uint8Array[] = []
  readonly #state: Uint8Array
  readonly #free: number[] = []

  constructor(calls: Calls, count: number) {
    this.count = count
    this.#calls = calls
    this.#mapping = mapAnonymous(calls, count * slabBytes)
    this.#state = new Uint8Array(count)
    for (let slab = count - 1; slab >= 0; slab--) this.#free.push(slab)
    for (let slab = 0; slab < count; slab++) {
      this.#views.push(new Uint8Array(this.#mapping.buffer, slab * slabBytes, slabBytes))
    }
  }

  get free(): number {
    return this.#free.length
  }

  take(): number | null {
    const slab = this.#free.pop()
    if (slab === undefined) return null
    this.#state[slab] = isTaken
    return slab
  }

  give(slab: number): void {
    assert(this.#state[slab] === isTaken, 'a slab is given back once')
    this.#state[slab] = isFree
    this.#free.push(slab)
  }

  view(slab: number): Uint8Array {
    const view = this.#views[slab]
    assert(view !== undefined && this.#state[slab] === isTaken, 'a slab is used while it is held')
    return view
  }

  /** The address of a part of a slab that somebody holds. */
  address(slab: number, offset: number, length: number): number {
    assert(this.#state[slab] === isTaken, 'a slab is used while it is held')
    assert(offset >= 0 && length >= 0 && offset + length <= slabBytes, 'a part lies in its slab')
    return Number(this.#mapping.address) + slab * slabBytes + offset
  }

  /** The pages go back to the machine; the addresses stay, for whoever still looks at them. */
  empty(): void {
    this.#calls.madvise(this.#mapping.address, BigInt(this.count * slabBytes), dontNeed)
  }
}
