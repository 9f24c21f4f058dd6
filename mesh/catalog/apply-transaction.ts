import { unreachable } from '../base/assert.ts'
import { Catalog, KindTable } from './catalog.ts'
import { PersistentMap } from './persistent-map.ts'
import type {
  ApplyResult,
  CatalogDelta,
  Change,
  NewObject,
  ObjectKind,
  ObjectRef,
  Refusal,
  StoredObject,
  Transaction,
} from './types.ts'

export interface Applied {
  readonly catalog: Catalog
  readonly result: ApplyResult
  /** Empty when refused, or when the request was applied before. */
  readonly delta: CatalogDelta
}

/**
 * The agreed state after one more entry of the log: all changes of the transaction or none. Every
 * manager computes the same from the same log, so nothing but the arguments may have a say here.
 */
export function applyTransaction(
  catalog: Catalog,
  transaction: Transaction,
  index: number,
): Applied {
  const first = catalog.parts.requests.resultOf(transaction.request)
  if (first !== undefined) return unchanged(advanceTo(catalog, index), first)
  const draft = new Draft(catalog, { index, atMs: transaction.atMs })
  const refusal = draft.changeAll(transaction.changes) ?? draft.settleClaims()
  if (refusal !== null) {
    const result: ApplyResult = { kind: 'refused', index, refusal }
    return unchanged(remember(advanceTo(catalog, index), transaction.request, result), result)
  }
  const result: ApplyResult = { kind: 'applied', index }
  const changed = remember(draft.toCatalog(), transaction.request, result)
  return { catalog: changed, result, delta: draft.toDelta() }
}

/** Entries that change nothing (a new leader's empty one, a membership change) still move the index. */
export function advanceTo(catalog: Catalog, index: number): Catalog {
  return new Catalog({ ...catalog.parts, index })
}

function remember(catalog: Catalog, request: string, result: ApplyResult): Catalog {
  const requests = catalog.parts.requests.remember(request, result)
  return new Catalog({ ...catalog.parts, requests })
}

function unchanged(catalog: Catalog, result: ApplyResult): Applied {
  const delta = { index: catalog.index, reset: false, upserts: [], removals: [] }
  return { catalog, result, delta }
}

interface Touched {
  readonly ref: ObjectRef
  readonly before: StoredObject | undefined
  after: StoredObject | undefined
}

/**
 * One transaction on its way. Existence and versions are judged change by change, claims by the end
 * state alone, so that two objects may swap their names in one transaction.
 */
class Draft {
  readonly #catalog: Catalog
  readonly #stamp: { readonly index: number; readonly atMs: number }
  readonly #touched = new Map<string, Touched>()
  #claims: PersistentMap<ObjectRef>

  constructor(catalog: Catalog, stamp: { readonly index: number; readonly atMs: number }) {
    this.#catalog = catalog
    this.#stamp = stamp
    this.#claims = catalog.parts.claims
  }

  changeAll(changes: readonly Change[]): Refusal | null {
    for (const change of changes) {
      const refusal = this.#change(change)
      if (refusal !== null) return refusal
    }
    return null
  }

  settleClaims(): Refusal | null {
    for (const { before } of this.#touched.values()) {
      for (const claim of before?.claims ?? []) this.#claims = this.#claims.without(claim)
    }
    for (const { ref, after } of this.#touched.values()) {
      for (const claim of after?.claims ?? []) {
        const holder = this.#claims.get(claim)
        if (holder !== undefined && !isSame(holder, ref)) {
          return { code: 'catalog/claim-taken', claim, holder }
        }
        this.#claims = this.#claims.with(claim, ref)
      }
    }
    return null
  }

  toCatalog(): Catalog {
    const objects = new Map<ObjectKind, PersistentMap<StoredObject>>()
    const tables = new Map(this.#catalog.parts.tables)
    for (const { ref, after } of this.#touched.values()) {
      const table = objects.get(ref.kind) ?? tables.get(ref.kind)?.objects ?? PersistentMap.empty()
      objects.set(ref.kind, after === undefined ? table.without(ref.id) : table.with(ref.id, after))
    }
    for (const [kind, ofKind] of objects) tables.set(kind, new KindTable(ofKind))
    const { requests } = this.#catalog.parts
    return new Catalog({ index: this.#stamp.index, tables, claims: this.#claims, requests })
  }

  toDelta(): CatalogDelta {
    const touched = [...this.#touched.values()]
    const upserts = touched.flatMap(({ after }) => (after === undefined ? [] : [after]))
    const removals = touched.flatMap(({ ref, before, after }) =>
      before !== undefined && after === undefined ? [ref] : [],
    )
    return { index: this.#stamp.index, reset: false, upserts, removals }
  }

  #change(change: Change): Refusal | null {
    switch (change.kind) {
      case 'create':
        return this.#create(change.object)
      case 'update':
        return this.#update(change.object, change.ifVersion)
      case 'delete':
        return this.#delete(change.ref, change.ifVersion)
      default:
        return unreachable(change)
    }
  }

  #create(object: NewObject): Refusal | null {
    const ref = { kind: object.kind, id: object.id }
    const touched = this.#touch(ref)
    if (touched.after !== undefined) return { code: 'catalog/exists', ref }
    touched.after = this.#stored(object, this.#stamp.atMs)
    return null
  }

  #update(object: NewObject, ifVersion: number | null): Refusal | null {
    const ref = { kind: object.kind, id: object.id }
    const touched = this.#touch(ref)
    const refusal = refuseVersion(ref, touched.after, ifVersion)
    if (refusal !== null || touched.after === undefined) return refusal
    touched.after = this.#stored(object, touched.after.createdAtMs)
    return null
  }

  #delete({ kind, id }: ObjectRef, ifVersion: number | null): Refusal | null {
    const ref = { kind, id }
    const touched = this.#touch(ref)
    const refusal = refuseVersion(ref, touched.after, ifVersion)
    if (refusal === null) touched.after = undefined
    return refusal
  }

  #touch(ref: ObjectRef): Touched {
    const key = `${ref.kind}/${ref.id}`
    const known = this.#touched.get(key)
    if (known !== undefined) return known
    const before = this.#catalog.get(ref.kind, ref.id)
    const touched = { ref, before, after: before }
    this.#touched.set(key, touched)
    return touched
  }

  #stored({ kind, id, claims, body }: NewObject, createdAtMs: number): StoredObject {
    const { index, atMs } = this.#stamp
    return { kind, id, claims, body, version: index, createdAtMs, updatedAtMs: atMs }
  }
}

function refuseVersion(
  ref: ObjectRef,
  object: StoredObject | undefined,
  expected: number | null,
): Refusal | null {
  if (object === undefined) return { code: 'catalog/not-found', ref }
  if (expected === null || expected === object.version) return null
  return { code: 'catalog/version-conflict', ref, expected, actual: object.version }
}

const isSame = (left: ObjectRef, right: ObjectRef): boolean =>
  left.kind === right.kind && left.id === right.id
