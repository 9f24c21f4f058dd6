import * as z from 'zod'
import type { Json } from '../base/json.ts'
import type { RotationMark } from '../catalog/policy.ts'

const schema: z.ZodType<RotationMark> = z.object({
  id: z.string().max(64),
  step: z.enum(['trust', 'issue']),
})

/** What a node says of a rotation of the authority; null for nothing, and for what is none. */
export function rotationMark(value: Json): RotationMark | null {
  const read = schema.safeParse(value)
  return read.success ? read.data : null
}
