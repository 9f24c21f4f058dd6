import type { End } from '../end.ts'
import type { Loop, Slab } from '../loop.ts'
import type { BodyReader } from './body-reader.ts'

/** Up to here a copy costs less than a write of its own. */
const joinedBytesMax = 16 * 1024

/** The sending side of an end: a head leaves with the first bytes of its body. */
export class Outlet {
  readonly #end: End
  readonly #loop: Loop
  #head: Uint8Array | null = null

  constructor(end: End, loop: Loop) {
    this.#end = end
    this.#loop = loop
  }

  /** Is held back until `forward` or `flush`. */
  head(bytes: Uint8Array): void {
    this.flush()
    this.#head = bytes
  }

  /** False: wait until drained. */
  flush(): boolean {
    const head = this.#head
    if (head === null) return true
    this.#head = null
    return this.#send(head)
  }

  /** Must not change any more. */
  bytes(bytes: Uint8Array): boolean {
    this.flush()
    return this.#send(bytes)
  }

  /** Sends what passes of a slab, and takes the slab. False: wait until drained. */
  forward(slab: Slab, { passing, tail }: BodyReader): boolean {
    const [from, to] = passing
    const isSimple = passing.length === 2 && tail === null
    if (!isSimple || from === undefined || to === undefined) return this.#join(slab, passing, tail)
    if (this.#head !== null && to - from <= joinedBytesMax) return this.#join(slab, passing, tail)
    this.flush()
    return this.#end.send(slab, from, to - from)
  }

  #join(slab: Slab, passing: readonly number[], tail: Uint8Array | null): boolean {
    const memory = this.#loop.memory(slab)
    const parts: Uint8Array[] = this.#head === null ? [] : [this.#head]
    for (let at = 0; at < passing.length; at += 2) {
      parts.push(memory.subarray(passing[at] ?? 0, passing[at + 1] ?? 0))
    }
    if (tail !== null) parts.push(tail)
    this.#head = null
    const joined = parts.length === 1 ? Uint8Array.from(parts[0] ?? []) : Buffer.concat(parts)
    this.#loop.release(slab)
    return joined.length === 0 || this.#send(joined)
  }

  #send(bytes: Uint8Array): boolean {
    return this.#end.send(this.#loop.slabOf(bytes), 0, bytes.length)
  }
}
