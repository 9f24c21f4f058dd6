import type { NodeId } from '../../mesh/base/ids.ts'

/**
 * What a leader remembers from pass to pass. Nothing of it is agreed: a new leader starts without,
 * and at worst waits once more.
 */
export interface OrchestratorMemory {
  /** Since when nodes are not alive. */
  readonly absentSinceMs: ReadonlyMap<NodeId, number>
  /** Lost nodes whose tasks were given up; until they are alive again. */
  readonly givenUp: ReadonlySet<NodeId>
  /** When nodes were given up in the last minute: the budget. */
  readonly givenUpAtMs: readonly number[]
}

export const emptyMemory: OrchestratorMemory = {
  absentSinceMs: new Map(),
  givenUp: new Set(),
  givenUpAtMs: [],
}
