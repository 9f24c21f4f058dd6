import type { CatalogDelta, CatalogReader, ObjectKind, ObjectRef, StoredObject } from './types.ts'

/** A copy of the service table that follows deltas: what everybody outside of consensus reads. */
export class CatalogView implements CatalogReader {
  #index = 0
  readonly #objects = new Map<ObjectKind, Map<string, StoredObject>>()
  readonly #sorted = new Map<ObjectKind, readonly StoredObject[]>()
  readonly #claims = new Map<string, ObjectRef>()

  get index(): number {
    return this.#index
  }

  get(kind: ObjectKind, id: string): StoredObject | undefined {
    return this.#objects.get(kind)?.get(id)
  }

  list(kind: ObjectKind): readonly StoredObject[] {
    const known = this.#sorted.get(kind)
    if (known !== undefined) return known
    const sorted = [...(this.#objects.get(kind)?.values() ?? [])].sort(byCreation)
    this.#sorted.set(kind, sorted)
    return sorted
  }

  holder(claim: string): ObjectRef | undefined {
    return this.#claims.get(claim)
  }

  apply(delta: CatalogDelta): void {
    if (delta.reset) this.#clear()
    // Removals first: a claim that one object gave up may have gone to another in the same delta.
    for (const ref of delta.removals) this.#remove(ref)
    for (const object of delta.upserts) this.#remove(object)
    for (const object of delta.upserts) this.#add(object)
    this.#index = delta.index
  }

  #clear(): void {
    this.#objects.clear()
    this.#sorted.clear()
    this.#claims.clear()
  }

  #remove(ref: ObjectRef): void {
    const old = this.get(ref.kind, ref.id)
    if (old === undefined) return
    for (const claim of old.claims) this.#claims.delete(claim)
    this.#objects.get(ref.kind)?.delete(ref.id)
    this.#sorted.delete(ref.kind)
  }

  #add(object: StoredObject): void {
    const ofKind = this.#objects.get(object.kind) ?? new Map<string, StoredObject>()
    ofKind.set(object.id, object)
    this.#objects.set(object.kind, ofKind)
    this.#sorted.delete(object.kind)
    for (const claim of object.claims) this.#claims.set(claim, { kind: object.kind, id: object.id })
  }
}

function byCreation(left: StoredObject, right: StoredObject): number {
  if (left.createdAtMs !== right.createdAtMs) return left.createdAtMs - right.createdAtMs
  return left.id < right.id ? -1 : 1
}
