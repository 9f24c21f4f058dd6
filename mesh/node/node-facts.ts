import type { JsonObject } from '../base/json.ts'

/** What a node tells the others of itself when it founds or joins a cluster. Addresses are `host:port`. */
export interface NodeFacts {
  readonly name: string
  readonly gossipAddress: string
  readonly controlAddress: string
  readonly dataPathAddress: string
  readonly availability: 'active' | 'pause' | 'drain'
  /** Opaque here: what the machine is and has. */
  readonly description: JsonObject
}
