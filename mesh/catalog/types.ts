import type { Json } from '../base/json.ts'

/** What an object is, such as `service`; the catalog compares it, `src/model` knows what it means. */
export type ObjectKind = string

/** An object of the service table. `body` is opaque here; `version` is the Raft index of its last change. */
export interface StoredObject {
  readonly kind: ObjectKind
  readonly id: string
  /** Names that only one object may hold at a time, such as `name/service/web`, `port/tcp/8080`. */
  readonly claims: readonly string[]
  readonly body: Json
  readonly version: number
  /** Raft index and leader's wall clock (ms) of its creation and its last change. */
  readonly createdAtMs: number
  readonly updatedAtMs: number
}

export interface ObjectRef {
  readonly kind: ObjectKind
  readonly id: string
}

export type Change =
  | { readonly kind: 'create'; readonly object: NewObject }
  /** `ifVersion`: refused unless it is the object's version; null when any will do. */
  | { readonly kind: 'update'; readonly object: NewObject; readonly ifVersion: number | null }
  | { readonly kind: 'delete'; readonly ref: ObjectRef; readonly ifVersion: number | null }

export interface NewObject {
  readonly kind: ObjectKind
  readonly id: string
  readonly claims: readonly string[]
  readonly body: Json
}

/** All changes or none. The request id makes a retried transaction apply once. */
export interface Transaction {
  readonly request: string
  /** The proposer's wall clock: apply never reads one. */
  readonly atMs: number
  readonly changes: readonly Change[]
}

export type Refusal =
  | { readonly code: 'catalog/claim-taken'; readonly claim: string; readonly holder: ObjectRef }
  | {
      readonly code: 'catalog/version-conflict'
      readonly ref: ObjectRef
      readonly expected: number
      readonly actual: number
    }
  | { readonly code: 'catalog/not-found'; readonly ref: ObjectRef }
  | { readonly code: 'catalog/exists'; readonly ref: ObjectRef }

export type ApplyResult =
  | { readonly kind: 'applied'; readonly index: number }
  | { readonly kind: 'refused'; readonly index: number; readonly refusal: Refusal }

/** What one applied index changed; cloneable. With `reset`, `upserts` is everything there is. */
export interface CatalogDelta {
  readonly index: number
  readonly reset: boolean
  readonly upserts: readonly StoredObject[]
  readonly removals: readonly ObjectRef[]
}

/** How rules look at a table, whoever holds it. */
export interface CatalogReader {
  /** Raft index up to which it is true. */
  readonly index: number
  get(kind: ObjectKind, id: string): StoredObject | undefined
  /** In order of creation, then id. */
  list(kind: ObjectKind): readonly StoredObject[]
  holder(claim: string): ObjectRef | undefined
}
