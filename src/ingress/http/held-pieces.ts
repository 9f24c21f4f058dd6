import type { End } from '../end.ts'
import type { Loop } from '../loop.ts'
import type { Piece } from './upstream.ts'

/** What a client has sent ahead of its turn. */
export class HeldPieces {
  /** Whoever fills it must look at this: a client that is paused stops soon, not at once. */
  bytes = 0
  readonly #loop: Loop
  readonly #pieces: Piece[] = []

  constructor(loop: Loop) {
    this.#loop = loop
  }

  get isEmpty(): boolean {
    return this.#pieces.length === 0
  }

  push(piece: Piece): void {
    this.#pieces.push(piece)
    this.bytes += piece.length
  }

  /** What is left of a piece that was taken. */
  putBack(piece: Piece): void {
    this.#pieces.unshift(piece)
    this.bytes += piece.length
  }

  take(): Piece | undefined {
    const piece = this.#pieces.shift()
    this.bytes -= piece?.length ?? 0
    return piece
  }

  sendTo(end: End): void {
    for (const { slab, offset, length } of this.#pieces.splice(0)) end.send(slab, offset, length)
    this.bytes = 0
  }

  drop(): void {
    for (const { slab } of this.#pieces.splice(0)) this.#loop.release(slab)
    this.bytes = 0
  }
}
