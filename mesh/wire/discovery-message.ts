import * as z from 'zod'
import type { Json } from '../base/json.ts'
import { isId, nodeId } from '../base/ids.ts'
import type { Digest, Known, Section, Summary, VersionedValue } from '../discovery/section.ts'
import { decodeJson, encodeJson, type FrameRefused } from './frames.ts'
import { isNestedWithin } from './nesting.ts'

/** Topic of what nodes newly say: one section a message. */
export const recordsTopic = 'mesh/records/1'
/** Protocol of finding out where two differ: a summary for the groups that differ. */
export const recordSumsProtocol = '/mesh/record-sums/1'
/** Protocol of comparing and filling up some groups: one question, one answer. */
export const recordsProtocol = '/mesh/records/2'
export const maxPublishedRecordsBytes: number = 48 * 1024

/** "This is what I know of writers in these groups, and this is what you miss." */
export interface SyncQuestion {
  readonly groups: readonly number[]
  readonly digest: Digest
  readonly sections: readonly Section[]
}

export interface SyncAnswer {
  /** What the answerer knows after it took in the question's sections. */
  readonly digest: Digest
  readonly sections: readonly Section[]
  /** False when there is more than one answer holds. */
  readonly isWhole: boolean
}

const maxSummaryBytes = 8 * 1024
const maxSyncBytes = 4 * 1024 * 1024
const maxNodes = 2048
const maxRecords = 8192
const maxGroups = 256
const maxValueDepth = 32

const id = z
  .string()
  .refine(isId, 'must be a node id')
  .transform((text) => nodeId(text))
/** An epoch leaves room above: a node that was heard in it must be able to start the next one. */
const count = z
  .int()
  .min(0)
  .max(2 ** 52)

/** It came out of JSON, so it is JSON; but what walks through it must not run out of stack. */
const value = z
  .unknown()
  .refine(
    (value) => isNestedWithin(value, maxValueDepth),
    `must not be deeper than ${maxValueDepth}`,
  )
  .transform((value) => value as Json)

const record: z.ZodType<VersionedValue> = z
  .tuple([count.min(1), z.string().min(1).max(1024), value])
  .transform(([version, key, value]) => ({ version, key, value }))

const section: z.ZodType<Section> = z
  .tuple([id, count, count, count, z.boolean(), z.array(record).max(maxRecords)])
  .refine(([, , since, through]) => since <= through, 'must not end before it begins')
  .refine(
    ([, , since, , , records]) => records.every(({ version }) => version > since),
    'must hold only what came after its beginning',
  )
  .transform(([node, epoch, since, through, isWhole, records]) => {
    return { node, epoch, since, through, isWhole, records }
  })

const known: z.ZodType<Known> = z
  .tuple([id, count, count])
  .transform(([node, epoch, through]) => ({ node, epoch, through }))

const digest = z.array(known).max(maxNodes)
const sections = z.array(section).max(maxNodes)
const groups = z.array(z.int().min(0).max(maxGroups)).max(maxGroups)
const question: z.ZodType<SyncQuestion> = z.object({ groups, digest, sections })
const answer: z.ZodType<SyncAnswer> = z.object({ digest, sections, isWhole: z.boolean() })
const summary: z.ZodType<Summary> = z.object({
  salt: z.uint32(),
  sums: z.array(z.uint32()).max(maxGroups),
})
const differences: z.ZodType<readonly number[]> = groups

export const encodeSummary = (told: Summary): Uint8Array => encodeJson(told)

export const decodeSummary = (bytes: Uint8Array): Summary | FrameRefused =>
  decodeBounded(summary, bytes, maxSummaryBytes)

export const encodeDifferences = (groups: readonly number[]): Uint8Array => encodeJson(groups)

export const decodeDifferences = (bytes: Uint8Array): readonly number[] | FrameRefused =>
  decodeBounded(differences, bytes, maxSummaryBytes)

export const encodePublishedRecords = (section: Section): Uint8Array =>
  encodeJson(wireSection(section))

export function decodePublishedRecords(bytes: Uint8Array): Section | FrameRefused {
  // Records are counted without their escapes, so a frame may be somewhat longer than intended.
  return decodeBounded(section, bytes, 2 * maxPublishedRecordsBytes)
}

export const encodeSyncQuestion = ({ groups, digest, sections }: SyncQuestion): Uint8Array =>
  encodeJson({ groups, digest: digest.map(wireKnown), sections: sections.map(wireSection) })

export const decodeSyncQuestion = (bytes: Uint8Array): SyncQuestion | FrameRefused =>
  decodeBounded(question, bytes, maxSyncBytes)

export const encodeSyncAnswer = ({ digest, sections, isWhole }: SyncAnswer): Uint8Array =>
  encodeJson({ digest: digest.map(wireKnown), sections: sections.map(wireSection), isWhole })

export const decodeSyncAnswer = (bytes: Uint8Array): SyncAnswer | FrameRefused =>
  decodeBounded(answer, bytes, maxSyncBytes)

function decodeBounded<T>(
  schema: z.ZodType<T>,
  bytes: Uint8Array,
  maxBytes: number,
): T | FrameRefused {
  if (bytes.length > maxBytes) return { refused: `longer than ${maxBytes} bytes` }
  return decodeJson(schema, bytes)
}

const wireKnown = ({ node, epoch, through }: Known): unknown => [node, epoch, through]

const wireSection = ({ node, epoch, since, through, isWhole, records }: Section): unknown => [
  node,
  epoch,
  since,
  through,
  isWhole,
  records.map(({ version, key, value }) => [version, key, value]),
]
