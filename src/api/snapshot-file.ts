import { createHash } from 'node:crypto'
import * as z from 'zod'
import type { Json, JsonObject } from '../../mesh/base/json.ts'
import type { CatalogReader, NewObject } from '../../mesh/catalog/types.ts'
import { badRequest } from './api-error.ts'

const magic = 'meshd-cluster-snapshot'
const version = 1
const headBytes = 200

/** What the table is made again from. Tasks are not: they follow from the services. */
export const snapshotKinds = ['cluster', 'node', 'service', 'network', 'secret', 'config'] as const

export interface ClusterSnapshot {
  readonly clusterId: string
  /** Index of the table that it was taken from. */
  readonly index: number
  readonly takenAtMs: number
  readonly objects: readonly NewObject[]
}

const jsonObject = z.custom<JsonObject>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
)

const payload: z.ZodType<ClusterSnapshot> = z.strictObject({
  clusterId: z.string().min(1),
  index: z.int().nonnegative(),
  takenAtMs: z.number(),
  objects: z.array(
    z.strictObject({
      kind: z.enum(snapshotKinds),
      id: z.string().min(1).max(200),
      claims: z.array(z.string().max(1024)).max(4096),
      body: jsonObject,
    }),
  ),
})

export function takeSnapshot(
  catalog: CatalogReader,
  about: { readonly clusterId: string; readonly takenAtMs: number },
): ClusterSnapshot {
  const objects = snapshotKinds.flatMap((kind) =>
    catalog.list(kind).map(({ id, claims, body }) => ({ kind, id, claims, body })),
  )
  return { ...about, index: catalog.index, objects }
}

/** One line with format, version and the SHA-256 of the rest, which is JSON. */
export function encodeSnapshot(snapshot: ClusterSnapshot): Buffer {
  const rest = Buffer.from(
    JSON.stringify(snapshot satisfies { objects: readonly { body: Json }[] }),
  )
  return Buffer.concat([Buffer.from(`${magic} ${version} ${digest(rest)}\n`), rest])
}

/** Refuses, as a bad request, whatever is not whole or not understood. */
export function decodeSnapshot(file: Buffer): ClusterSnapshot {
  const end = file.subarray(0, headBytes).indexOf('\n')
  const [name, written, sha256] = file.toString('utf8', 0, Math.max(0, end)).split(' ')
  if (name !== magic) {
    throw badRequest('this is no snapshot of a cluster', `it does not begin with ${magic}`)
  }
  if (written !== String(version)) {
    throw badRequest(
      `this snapshot has version ${written} of the format`,
      `this meshd reads version ${version}`,
      'use the version of meshd that took it, or a newer one',
    )
  }
  const rest = file.subarray(end + 1)
  if (digest(rest) !== sha256) {
    throw badRequest(
      'the snapshot is damaged',
      'its checksum (SHA-256) is not that of its content',
      'use another copy of it; nothing was changed',
    )
  }
  const decoded = payload.safeParse(JSON.parse(rest.toString('utf8')))
  if (decoded.success) return decoded.data
  throw badRequest('the snapshot cannot be read', z.prettifyError(decoded.error).slice(0, 500))
}

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
