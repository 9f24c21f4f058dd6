import type { NodeId } from '../../mesh/base/ids.ts'
import type { OrchestratorMemory } from './memory.ts'
import type { Draining } from './replicated.ts'
import type { Wake } from './wake.ts'
import type { Worksheet } from './worksheet.ts'

/**
 * How long a task of a drained node may wait for its successor to run. The operator wants the node
 * empty: a successor that cannot be placed or does not start holds that up no longer than this.
 */
const successorPatienceMs = 60_000

export function findDraining(
  sheet: Worksheet,
  { memory, wake }: { readonly memory: OrchestratorMemory; readonly wake: Wake },
): { readonly draining: Draining; readonly memory: OrchestratorMemory } {
  const { nowMs } = sheet
  const drained = sheet.nodes().filter((node) => node.availability === 'drain')
  const since = new Map(
    drained.map((node) => [node.id, memory.drainingSinceMs.get(node.id) ?? nowMs]),
  )
  const overdue = new Set<NodeId>()
  for (const [node, sinceMs] of since) {
    const dueAtMs = sinceMs + successorPatienceMs
    if (nowMs >= dueAtMs) overdue.add(node)
    else wake.noLaterThan(dueAtMs)
  }
  const draining = { nodes: new Set(since.keys()), overdue }
  return { draining, memory: { ...memory, drainingSinceMs: since } }
}
