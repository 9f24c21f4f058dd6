import * as z from 'zod'
import type { ObjectRef, StoredObject } from '../catalog/types.ts'
import { decodeJson, encodeJson, type FrameRefused } from './frames.ts'
import { objectRefSchema, storedObject } from './transaction.ts'

export const feedProtocol = '/mesh/feed/1'

/** What a manager tells a worker of the service table. */
export type FeedMessage =
  /** A piece of a change; it counts as a whole when the last piece is there. */
  | {
      readonly kind: 'part'
      readonly index: number
      /** The change begins from nothing. */
      readonly reset: boolean
      readonly upserts: readonly StoredObject[]
      readonly removals: readonly ObjectRef[]
      readonly isLast: boolean
    }
  /** Alive, and nothing that concerns this worker changed up to `index`. */
  | { readonly kind: 'heartbeat'; readonly index: number }

const index = z.int().nonnegative()

const feedMessage: z.ZodType<FeedMessage> = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('part'),
    index,
    reset: z.boolean(),
    upserts: z.array(storedObject),
    removals: z.array(objectRefSchema),
    isLast: z.boolean(),
  }),
  z.object({ kind: z.literal('heartbeat'), index }),
])

export const encodeFeedMessage = (message: FeedMessage): Uint8Array => encodeJson(message)

export const decodeFeedMessage = (frame: Uint8Array): FeedMessage | FrameRefused =>
  decodeJson(feedMessage, frame)
