import type { Json } from '../base/json.ts'
import type { NodeId } from '../base/ids.ts'

/**
 * What a node knows of one writer: what still counts of the versions in (since, through], of which
 * none is missing. A whole section also lists what is known beyond, so a record of that stretch
 * which it does not list has been withdrawn; in a piece of news it may only have been replaced.
 */
export interface Section {
  readonly node: NodeId
  readonly epoch: number
  readonly since: number
  readonly through: number
  readonly isWhole: boolean
  readonly records: readonly VersionedValue[]
}

export interface VersionedValue {
  readonly version: number
  readonly key: string
  readonly value: Json
}

/** Up to which version, in which epoch, somebody knows all that a writer said. */
export interface Known {
  readonly node: NodeId
  readonly epoch: number
  readonly through: number
}

export type Digest = readonly Known[]

/**
 * All that is known, in one number for each group of writers: who compares them finds out where
 * there is a difference, and needs to name the writers of those groups only. Salted, so that a
 * difference which two sums hide shows the next time.
 */
export interface Summary {
  readonly salt: number
  readonly sums: readonly number[]
}
