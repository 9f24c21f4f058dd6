import type { HeadParser, HeadProgress } from './head-parser.ts'

interface ParsedHead {
  readonly fields: HeadParser
  parse(bytes: Uint8Array, from: number, to: number): HeadProgress
}

const firstRoomBytes = 2048

/** Parses heads where they lie, and gathers those that come in pieces. Reused. */
export class HeadIntake {
  /** Where the head ended among the bytes last fed, once it was whole. */
  endsAt = 0
  #gathered: Buffer = nothing
  #length = 0
  #limitBytes = 0

  begin(limitBytes: number): void {
    this.#limitBytes = limitBytes
    this.#length = 0
  }

  /** A part of a head has come. */
  get hasBegun(): boolean {
    return this.#length > 0
  }

  feed(head: ParsedHead, bytes: Uint8Array, [from, to]: readonly [number, number]): HeadProgress {
    if (this.#length === 0) {
      const progress = head.parse(bytes, from, to)
      this.endsAt = from + head.fields.length
      if (progress === 'more') this.#gather(bytes, from, to)
      return progress
    }
    const before = this.#length
    this.#gather(bytes, from, Math.min(to, from + this.#limitBytes - before))
    const progress = head.parse(this.#gathered, 0, this.#length)
    this.endsAt = from + head.fields.length - before
    if (progress !== 'more') this.#length = 0
    return progress
  }

  #gather(bytes: Uint8Array, from: number, to: number): void {
    const length = this.#length + to - from
    if (length > this.#gathered.length) {
      const room = Math.max(firstRoomBytes, 2 * this.#gathered.length, length)
      const larger = Buffer.allocUnsafe(Math.min(room, Math.max(length, this.#limitBytes)))
      this.#gathered.copy(larger, 0, 0, this.#length)
      this.#gathered = larger
    }
    this.#gathered.set(bytes.subarray(from, to), this.#length)
    this.#length = length
  }

  /** Lets go of the room: thousands of idle connections need none. */
  forget(): void {
    this.#gathered = nothing
    this.#length = 0
  }
}

const nothing = Buffer.alloc(0)
