import type { Loop } from '../loop.ts'
import type { HeadProgress } from './head-parser.ts'
import { HeadIntake } from './head-intake.ts'
import type { HeadPool } from './head-pool.ts'
import type { RequestHead } from './request-head.ts'
import type { Piece } from './upstream.ts'

/** The head of a client's next request, as it comes. Has memory only while there is one. */
export class RequestIntake {
  readonly #loop: Loop
  readonly #heads: HeadPool
  readonly #intake = new HeadIntake()
  #head: RequestHead | null = null

  constructor(loop: Loop, heads: HeadPool) {
    this.#loop = loop
    this.#heads = heads
  }

  /** What there is so far; valid until `forget`. */
  get head(): RequestHead {
    return (this.#head ??= this.#heads.takeRequest())
  }

  begin(maxHeadBytes: number): void {
    this.head.begin(maxHeadBytes)
    this.#intake.begin(maxHeadBytes)
  }

  /** Does not take the slab. */
  feed({ slab, offset, length }: Piece): HeadProgress {
    return this.#intake.feed(this.head, this.#loop.memory(slab), [offset, offset + length])
  }

  /** What of this piece comes after the head; the slab, where there is nothing, is given back. */
  restOf({ slab, offset, length }: Piece): Piece | null {
    const { endsAt } = this.#intake
    const rest = offset + length - endsAt
    if (rest > 0) return { slab, offset: endsAt, length: rest }
    this.#loop.release(slab)
    return null
  }

  forget(): void {
    if (this.#head !== null) this.#heads.giveRequest(this.#head)
    this.#head = null
    this.#intake.forget()
  }
}
