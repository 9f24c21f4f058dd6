import { PersistentMap } from './persistent-map.ts'
import { RequestHistory, type RememberedRequest } from './request-history.ts'
import type { CatalogReader, ObjectKind, ObjectRef, StoredObject } from './types.ts'

/**
 * The service table as managers agree on it, at one index. Immutable: `applyTransaction` answers
 * with another one, and whoever holds this one keeps reading the past.
 */
export class Catalog implements CatalogReader {
  static readonly empty: Catalog = new Catalog({
    index: 0,
    tables: new Map(),
    claims: PersistentMap.empty(),
    requests: RequestHistory.empty,
  })

  readonly #parts: CatalogParts

  constructor(parts: CatalogParts) {
    this.#parts = parts
  }

  get index(): number {
    return this.#parts.index
  }

  get parts(): CatalogParts {
    return this.#parts
  }

  get(kind: ObjectKind, id: string): StoredObject | undefined {
    return this.#parts.tables.get(kind)?.objects.get(id)
  }

  list(kind: ObjectKind): readonly StoredObject[] {
    return this.#parts.tables.get(kind)?.sorted() ?? []
  }

  holder(claim: string): ObjectRef | undefined {
    return this.#parts.claims.get(claim)
  }

  /** Everything there is, kind by kind. */
  all(): StoredObject[] {
    const kinds = [...this.#parts.tables.keys()].sort()
    return kinds.flatMap((kind) => this.list(kind))
  }
}

export interface CatalogParts {
  readonly index: number
  readonly tables: ReadonlyMap<ObjectKind, KindTable>
  readonly claims: PersistentMap<ObjectRef>
  readonly requests: RequestHistory
}

/** All objects of one kind; sorted once, when first asked, for all catalogs that share it. */
export class KindTable {
  readonly objects: PersistentMap<StoredObject>
  #sorted: readonly StoredObject[] | null = null

  constructor(objects: PersistentMap<StoredObject>) {
    this.objects = objects
  }

  sorted(): readonly StoredObject[] {
    this.#sorted ??= [...this.objects.values()].sort(byCreation)
    return this.#sorted
  }
}

/** A catalog as plain JSON, for the disk and for managers that are too far behind. */
export interface CatalogSnapshot {
  readonly index: number
  readonly objects: readonly StoredObject[]
  readonly requests: readonly RememberedRequest[]
}

/**
 * The text of a catalog's snapshot, piece by piece: catalogs never change, so a long one may be
 * written out between other things.
 */
export function* snapshotText(catalog: Catalog): Generator<string> {
  yield `{"index":${catalog.index},"objects":[`
  yield* listText(catalog.all())
  yield '],"requests":['
  yield* listText(catalog.parts.requests.entries())
  yield ']}'
}

function* listText(items: Iterable<StoredObject | RememberedRequest>): Generator<string> {
  let separator = ''
  for (const item of items) {
    yield separator + JSON.stringify(item)
    separator = ','
  }
}

export function fromSnapshot(snapshot: CatalogSnapshot): Catalog {
  const objects = new Map<ObjectKind, PersistentMap<StoredObject>>()
  let claims = PersistentMap.empty<ObjectRef>()
  for (const object of snapshot.objects) {
    const ofKind = objects.get(object.kind) ?? PersistentMap.empty<StoredObject>()
    objects.set(object.kind, ofKind.with(object.id, object))
    const ref = { kind: object.kind, id: object.id }
    for (const claim of object.claims) claims = claims.with(claim, ref)
  }
  let requests = RequestHistory.empty
  for (const { request, result } of snapshot.requests) requests = requests.remember(request, result)
  const tables = new Map([...objects].map(([kind, ofKind]) => [kind, new KindTable(ofKind)]))
  return new Catalog({ index: snapshot.index, tables, claims, requests })
}

function byCreation(left: StoredObject, right: StoredObject): number {
  if (left.createdAtMs !== right.createdAtMs) return left.createdAtMs - right.createdAtMs
  return left.id < right.id ? -1 : 1
}
