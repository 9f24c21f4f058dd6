import type { Loop } from '../loop.ts'
import type { BodyReader } from './body-reader.ts'
import type { Piece } from './upstream.ts'

/** Reads what nobody wants any more; what does not belong to it comes back. */
export function dropBody(
  body: BodyReader,
  { slab, offset, length }: Piece,
  loop: Loop,
): Piece | 'malformed' | null {
  const to = offset + length
  const end = body.read(loop.memory(slab), offset, to)
  if (end !== null && end < to) return { slab, offset: end, length: to - end }
  loop.release(slab)
  return end === null ? 'malformed' : null
}
