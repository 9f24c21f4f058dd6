import type { Clock } from '../../mesh/base/clock.ts'
import { MeshError } from '../../mesh/base/mesh-error.ts'
import type { StoredObject } from '../../mesh/catalog/types.ts'
import type { MeshNode } from '../../mesh/node/mesh-node.ts'
import type { Agent } from '../agent/agent.ts'
import { taskView } from '../model/task-view.ts'
import type { ClusterStore } from './cluster-store.ts'
import { coalesce } from './coalesce.ts'

export interface AgentFeedDeps {
  readonly node: Pick<MeshNode, 'self' | 'role' | 'barrier' | 'isCurrent'>
  readonly store: ClusterStore
  readonly clock: Clock
}

/** Changes within this time are looked at together. */
const quietMs = 10
const barrierRetryMs = 500
/** A manager that can be heard at all is heard by then. */
const forsakenMs = 4000

/**
 * Shows an agent its tasks, as soon as they are known for sure and whenever they change. A table that
 * is only as new as the last crash would make containers of newer tasks look foreign; but when no
 * manager can be heard, what was known before the restart goes on.
 */
export async function feedAgent(
  agent: Agent,
  { node, store, clock }: AgentFeedDeps,
): Promise<void> {
  const own = (): StoredObject[] =>
    store.view.catalog.list('task').filter((task) => taskView(task).node === node.self)
  const cancel = clock.after(forsakenMs, () => agent.resume(own()))
  await isCurrent({ node, store, clock })
  cancel()
  const update = coalesce(clock, quietMs, () => agent.update(own()))
  store.onChange(update)
  update()
}

async function isCurrent({ node, store, clock }: AgentFeedDeps): Promise<void> {
  for (;;) {
    try {
      if (node.role === 'manager') await node.barrier()
      if (node.isCurrent && store.view.catalog.index > 0) return
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
    }
    await pause(clock, barrierRetryMs)
  }
}

const pause = (clock: Clock, delayMs: number): Promise<void> =>
  new Promise((resolve) => void clock.after(delayMs, resolve))
