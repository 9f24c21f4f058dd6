import type { Json } from '../base/json.ts'
import type { NodeId } from '../base/ids.ts'

/**
 * What a node knows of one writer: everything with a version above `since` that still counts. It
 * promises that up to `through` nothing is missing; records beyond may be among it, with gaps.
 */
export interface Section {
  readonly node: NodeId
  readonly epoch: number
  readonly since: number
  readonly through: number
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
