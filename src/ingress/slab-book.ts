import { assert } from '../../mesh/base/assert.ts'
import type { Arena } from '../kernel/arena.ts'
import type { Slab } from './loop.ts'

/** Slabs of the arena and slabs made of other bytes, under one row of numbers. */
export class SlabBook {
  readonly arena: Arena
  readonly #foreign: (Uint8Array | null)[] = []
  readonly #freeForeign: number[] = []

  constructor(arena: Arena) {
    this.arena = arena
  }

  isForeign(slab: Slab): boolean {
    return slab >= this.arena.count
  }

  memory(slab: Slab): Uint8Array {
    if (!this.isForeign(slab)) return this.arena.view(slab)
    const bytes = this.#foreign[slab - this.arena.count]
    assert(bytes !== null && bytes !== undefined, 'a slab is not used after it was given back')
    return bytes
  }

  release(slab: Slab): void {
    if (!this.isForeign(slab)) return this.arena.give(slab)
    const at = slab - this.arena.count
    assert(this.#foreign[at] !== null, 'a slab is given back once')
    this.#foreign[at] = null
    this.#freeForeign.push(at)
  }

  slabOf(bytes: Uint8Array): Slab {
    const at = this.#freeForeign.pop() ?? this.#foreign.length
    this.#foreign[at] = bytes
    return (at + this.arena.count) as Slab
  }
}
