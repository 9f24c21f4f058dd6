import type { CatalogReader, StoredObject } from '../../mesh/catalog/types.ts'
import { badRequest, notFound } from './api-error.ts'

/** An object as the API names it; the body is of the type that its kind says. */
export interface Found<Body> {
  readonly id: string
  readonly version: number
  readonly createdAtMs: number
  readonly updatedAtMs: number
  readonly claims: readonly string[]
  readonly body: Body
}

export function bodyOf<Body>(object: StoredObject): Found<Body> {
  return { ...object, body: object.body as Body }
}

export function all<Body>(catalog: CatalogReader, kind: string): Found<Body>[] {
  return catalog.list(kind).map((object) => bodyOf<Body>(object))
}

interface Wanted<Body> {
  readonly kind: string
  readonly reference: string
  readonly names: (found: Found<Body>) => readonly string[]
}

/** By whole id, then by name, then by the start of an id, as docker does it. */
export function find<Body>(catalog: CatalogReader, wanted: Wanted<Body>): Found<Body> {
  const { kind, reference } = wanted
  const exact = catalog.get(kind, reference)
  if (exact !== undefined) return bodyOf(exact)
  const objects = all<Body>(catalog, kind)
  const named = objects.filter((object) => wanted.names(object).includes(reference))
  const matches =
    named.length > 0 ? named : objects.filter((object) => object.id.startsWith(reference))
  const [only] = matches
  if (reference === '' || only === undefined) throw notFound(kind, reference)
  if (matches.length === 1) return only
  throw badRequest(
    `${kind} ${reference} is ambiguous`,
    `${matches.length} objects match it`,
    'give the whole id',
  )
}
