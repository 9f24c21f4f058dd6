import type { Clock } from '../../mesh/base/clock.ts'
import { MeshError } from '../../mesh/base/mesh-error.ts'
import type { MeshNode } from '../../mesh/node/mesh-node.ts'
import type { Agent } from '../agent/agent.ts'
import { taskView } from '../model/task-view.ts'
import type { ClusterStore } from './cluster-store.ts'
import { coalesce } from './coalesce.ts'

export interface AgentFeedDeps {
  readonly node: Pick<MeshNode, 'self' | 'role' | 'barrier'>
  readonly store: ClusterStore
  readonly clock: Clock
}

/** Changes within this time are looked at together. */
const quietMs = 10
const barrierRetryMs = 500

/**
 * Shows an agent its tasks, as soon as they are known for sure and whenever they change. A table that
 * is only as new as the last crash would make containers of newer tasks look foreign.
 */
export async function feedAgent(
  agent: Agent,
  { node, store, clock }: AgentFeedDeps,
): Promise<void> {
  await isCurrent({ node, store, clock })
  const update = coalesce(clock, quietMs, () => {
    const own = store.view.catalog.list('task').filter((task) => taskView(task).node === node.self)
    agent.update(own)
  })
  store.onChange(update)
  update()
}

async function isCurrent({ node, store, clock }: AgentFeedDeps): Promise<void> {
  for (;;) {
    try {
      if (node.role === 'manager') await node.barrier()
      if (store.view.catalog.index > 0) return
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
    }
    await pause(clock, barrierRetryMs)
  }
}

const pause = (clock: Clock, delayMs: number): Promise<void> =>
  new Promise((resolve) => void clock.after(delayMs, resolve))
