import * as z from 'zod'
import type { Json } from '../base/json.ts'
import type { CatalogSnapshot } from '../catalog/catalog.ts'
import type {
  ApplyResult,
  Change,
  NewObject,
  ObjectRef,
  Refusal,
  StoredObject,
  Transaction,
} from '../catalog/types.ts'
import { decodeJson, encodeJson, type FrameRefused } from './frames.ts'
import { isNestedWithin } from './nesting.ts'

/** What one transaction may weigh; a secret is at most 500 kB, a config 1 MB. */
export const transactionBytesMax: number = 2 * 1024 * 1024

const changesMax = 10_000
/** A service has one a published port, of which the API takes a thousand, and one for its name. */
const claimsMax = 4096
const shortText = z.string().max(1024)
/** Came out of JSON.parse, so it is JSON. */
const json = z.custom<Json>((value) => value !== undefined)
/** More than the API lets in; what is in the catalog will be written out and compared by walking. */
const bodyLevelsMax = 96
const newBody = json.refine(
  (body) => isNestedWithin(body, bodyLevelsMax),
  `must not be nested deeper than ${bodyLevelsMax} levels`,
)
const whole = z.int().nonnegative()

const objectRef: z.ZodType<ObjectRef> = z.object({ kind: shortText, id: shortText })

const newObject: z.ZodType<NewObject> = z.object({
  kind: shortText,
  id: shortText,
  claims: z.array(shortText).max(claimsMax),
  body: newBody,
})

export const storedObject: z.ZodType<StoredObject> = z.object({
  kind: shortText,
  id: shortText,
  claims: z.array(shortText),
  body: json,
  version: whole,
  createdAtMs: z.number(),
  updatedAtMs: z.number(),
})

const ifVersion = whole.nullable()

const change: z.ZodType<Change> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('create'), object: newObject }),
  z.object({ kind: z.literal('update'), object: newObject, ifVersion }),
  z.object({ kind: z.literal('delete'), ref: objectRef, ifVersion }),
])

const transaction: z.ZodType<Transaction> = z.object({
  request: shortText,
  atMs: z.number(),
  changes: z.array(change).max(changesMax),
})

const refusal: z.ZodType<Refusal> = z.discriminatedUnion('code', [
  z.object({ code: z.literal('catalog/claim-taken'), claim: shortText, holder: objectRef }),
  z.object({
    code: z.literal('catalog/version-conflict'),
    ref: objectRef,
    expected: whole,
    actual: whole,
  }),
  z.object({ code: z.literal('catalog/not-found'), ref: objectRef }),
  z.object({ code: z.literal('catalog/exists'), ref: objectRef }),
])

const applyResult: z.ZodType<ApplyResult> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('applied'), index: whole }),
  z.object({ kind: z.literal('refused'), index: whole, refusal }),
])

export const objectRefSchema: z.ZodType<ObjectRef> = objectRef

export const catalogSnapshot: z.ZodType<CatalogSnapshot> = z.object({
  index: whole,
  objects: z.array(storedObject),
  requests: z.array(z.object({ request: shortText, result: applyResult })),
})

export const encodeTransaction = (value: Transaction): Uint8Array => encodeJson(value)

export const decodeTransaction = (bytes: Uint8Array): Transaction | FrameRefused =>
  decodeJson(transaction, bytes)

/** What the leader says to a manager that passed a transaction on. */
export type ProposeReply =
  | { readonly kind: 'done'; readonly result: ApplyResult }
  /** Not the leader, or not any more before anything was written: ask another one. */
  | { readonly kind: 'not-leader' }
  /** It may have been written, or may yet be. */
  | { readonly kind: 'unknown' }

const proposeReply: z.ZodType<ProposeReply> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('done'), result: applyResult }),
  z.object({ kind: z.literal('not-leader') }),
  z.object({ kind: z.literal('unknown') }),
])

export const encodeProposeReply = (reply: ProposeReply): Uint8Array => encodeJson(reply)

export const decodeProposeReply = (bytes: Uint8Array): ProposeReply | FrameRefused =>
  decodeJson(proposeReply, bytes)
