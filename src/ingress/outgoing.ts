import { assert } from '../../mesh/base/assert.ts'
import { slabBytes } from '../kernel/arena.ts'
import type { Piece } from './ring-connection.ts'
import type { SlabBook } from './slab-book.ts'

/** A piece from here on is sent as it lies, however many follow it. */
const wholePieceBytes = 16 * 1024

/** What one send takes; `isCopy` when the slab is only of this send. */
export interface Part {
  readonly slab: number
  readonly offset: number
  readonly length: number
  readonly isCopy: boolean
}

/**
 * The first piece as it lies in the arena, or copies of the first ones beside one another. Null
 * when there is no slab for them.
 */
export function nextPart(queue: readonly Piece[], book: SlabBook): Part | null {
  const [first, second] = queue
  assert(first !== undefined, 'something waits')
  const isWhole = second === undefined || first.length >= wholePieceBytes
  if (isWhole && !book.isForeign(first.slab)) return { ...first, isCopy: false }
  const slab = book.arena.take()
  if (slab === null) return null
  const target = book.arena.view(slab)
  let length = 0
  for (const piece of queue) {
    const count = Math.min(piece.length, slabBytes - length)
    const from = book.memory(piece.slab)
    target.set(from.subarray(piece.offset, piece.offset + count), length)
    length += count
    if (length === slabBytes) break
  }
  return { slab, offset: 0, length, isCopy: true }
}

/** Who does not read holds none of the arena: what waits for him waits elsewhere. */
export function moveOut(queue: Piece[], book: SlabBook): void {
  queue.forEach(({ slab, offset, length }, at) => {
    if (book.isForeign(slab)) return
    const bytes = book.memory(slab).slice(offset, offset + length)
    book.release(slab)
    queue[at] = { slab: book.slabOf(bytes), offset: 0, length }
  })
}
