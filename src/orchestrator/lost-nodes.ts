import type { NodeId } from '../../mesh/base/ids.ts'
import type { NodeView } from '../model/node-view.ts'
import type { Observed } from '../model/observed.ts'
import type { OrchestratorMemory } from './memory.ts'
import type { Wake } from './wake.ts'
import type { Worksheet } from './worksheet.ts'

/** A dead node's tasks move this long after its death was seen: two more probes of it failed. */
const deadPatienceMs = 2_000
/** Its daemon is gone, but its tasks serve on; or it said goodbye and means to come back. */
const orderlyPatienceMs = 30_000
/** No rumour of it since we lead: the whole cluster may just be starting. */
export const unseenPatienceMs = 10_000
const budgetPeriodMs = 60_000

/** How the members see a node; a suspect is alive until it is found dead. */
export type Presence = 'alive' | 'suspect' | 'dead' | 'left' | 'unseen'

export const presenceOf = (observed: Observed, node: NodeId): Presence =>
  observed.members.get(node)?.state ?? 'unseen'

export const isPresent = (presence: Presence): boolean =>
  presence === 'alive' || presence === 'suspect'

export interface LostNodes {
  readonly lost: ReadonlySet<NodeId>
  readonly memory: OrchestratorMemory
}

/**
 * Nodes whose tasks have to run elsewhere. A few a minute: when many seem dead at once, it is more
 * likely that we are the ones who see badly, and starting everything again would make it worse.
 */
export function findLostNodes(
  sheet: Worksheet,
  observed: Observed,
  { memory, wake }: { readonly memory: OrchestratorMemory; readonly wake: Wake },
): LostNodes {
  const { nowMs } = sheet
  const nodes = sheet.nodes()
  const absent = absentSince(nodes, observed, { memory, nowMs })
  const givenUp = new Set([...memory.givenUp].filter((node) => absent.has(node)))
  const recent = memory.givenUpAtMs.filter((atMs) => nowMs - atMs < budgetPeriodMs)
  const busy = busyNodes(sheet)
  const lost = new Set(givenUp)
  const budget = Math.max(1, Math.floor(nodes.length / 4))
  for (const [node, sinceMs] of inOrderOfDeath(absent)) {
    if (givenUp.has(node)) continue
    const dueAtMs = sinceMs + patienceMs(observed, node)
    if (nowMs < dueAtMs) {
      wake.noLaterThan(dueAtMs)
    } else if (!busy.has(node)) {
      lost.add(node)
    } else if (recent.length < budget) {
      lost.add(node)
      givenUp.add(node)
      recent.push(nowMs)
    } else {
      wake.noLaterThan((recent[0] ?? nowMs) + budgetPeriodMs)
    }
  }
  return { lost, memory: { ...memory, absentSinceMs: absent, givenUp, givenUpAtMs: recent } }
}

function absentSince(
  nodes: readonly NodeView[],
  observed: Observed,
  { memory, nowMs }: { readonly memory: OrchestratorMemory; readonly nowMs: number },
): Map<NodeId, number> {
  const absent = nodes.filter((node) => !isPresent(presenceOf(observed, node.id)))
  return new Map(absent.map((node) => [node.id, memory.absentSinceMs.get(node.id) ?? nowMs]))
}

function patienceMs(observed: Observed, node: NodeId): number {
  const presence = presenceOf(observed, node)
  if (presence === 'left' || observed.dataPath.get(node) === true) return orderlyPatienceMs
  return presence === 'unseen' ? unseenPatienceMs : deadPatienceMs
}

/** Nodes that are meant to run something. */
function busyNodes(sheet: Worksheet): Set<NodeId> {
  const wanted = sheet.tasks().filter((task) => task.isWanted)
  return new Set(wanted.flatMap((task) => task.node ?? []))
}

const inOrderOfDeath = (absent: ReadonlyMap<NodeId, number>): [NodeId, number][] =>
  [...absent].sort(([, left], [, right]) => left - right)
