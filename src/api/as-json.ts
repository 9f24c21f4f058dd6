import type { Json } from '../../mesh/base/json.ts'

/** Docker's objects are plain JSON; their types only do not say so (they have no index signature). */
export const asJson = (body: object): Json => body as unknown as Json
