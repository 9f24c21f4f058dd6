import type { NodeId } from '../../mesh/base/ids.ts'
import type { Random } from '../../mesh/base/random.ts'
import { rfc3339 } from '../model/rfc3339.ts'
import type { NodeView } from '../model/node-view.ts'
import type { Observed } from '../model/observed.ts'
import type { TaskView } from '../model/task-view.ts'
import { errorText, explain, type Explanation, type NodeRefusal } from './explain.ts'
import { type Candidate, type Filter, filters, type Needs } from './filters.ts'
import { presenceOf } from './lost-nodes.ts'
import { NodeLoad } from './node-load.ts'
import { bySpread } from './spread.ts'
import type { Worksheet } from './worksheet.ts'

/** So many failures of a service on a node within five minutes, and it is the last one to try. */
const failuresToAvoid = 5

export type Choice =
  | { readonly kind: 'node'; readonly node: NodeId }
  | { readonly kind: 'none'; readonly explanation: Explanation }

/** Where tasks can run, counted once for a pass and kept true while it places them. */
export class Placement {
  readonly #sheet: Worksheet
  readonly #candidates: ReadonlyMap<NodeId, Candidate>

  constructor(sheet: Worksheet, observed: Observed) {
    this.#sheet = sheet
    this.#candidates = new Map(
      sheet.nodes().map((node) => {
        const presence = presenceOf(observed, node.id)
        const record = observed.nodes.get(node.id)
        return [node.id, { node, presence, record, load: new NodeLoad() }]
      }),
    )
    for (const task of sheet.tasks()) this.#count(task)
  }

  choose(needs: Needs): Choice {
    const refusals: NodeRefusal[] = []
    const fitting: Candidate[] = []
    for (const candidate of this.#candidates.values()) {
      const refusal = firstRefusal(candidate, needs, filters)
      if (refusal === null) fitting.push(candidate)
      else refusals.push(refusal)
    }
    const spread = bySpread(fitting, needs, [...this.#candidates.values()])
    const best = leastLoaded(spread, needs, this.#sheet.random)
    if (best !== null) return { kind: 'node', node: best.node.id }
    return { kind: 'none', explanation: explain(refusals) }
  }

  /** Why not on this node; null when it fits. */
  refusalOn(node: NodeId, needs: Needs): NodeRefusal | null {
    const candidate = this.#candidates.get(node)
    if (candidate === undefined) return { filter: 'readiness', reason: 'removed' }
    return firstRefusal(candidate, needs, filters)
  }

  assign(task: TaskView, node: NodeId): TaskView {
    const assigned = this.#sheet.patchTask(task, {
      NodeID: node,
      Generation: this.#sheet.catalog.index + 1,
      Status: {
        Timestamp: rfc3339(this.#sheet.nowMs),
        State: 'assigned',
        Message: 'assigned to a node',
      },
    })
    this.#count(assigned)
    return assigned
  }

  #count(task: TaskView): void {
    if (task.node !== null) this.#candidates.get(task.node)?.load.add(task, this.#sheet.nowMs)
  }
}

/** Gives a node to every task that has none; those that fit nowhere say why. */
export function placeTasks(sheet: Worksheet, placement: Placement): Map<string, Explanation> {
  const explanations = new Map<string, Explanation>()
  for (const task of sheet.tasks()) {
    if (task.node !== null || !task.isWanted) continue
    const { serviceId, spec, slot } = task
    const choice = placement.choose({ serviceId, spec, slot })
    if (choice.kind === 'node') {
      placement.assign(task, choice.node)
      continue
    }
    markPending(sheet, task, errorText(choice.explanation))
    explanations.set(task.id, choice.explanation)
    explanations.set(task.serviceId, choice.explanation)
  }
  return explanations
}

function markPending(sheet: Worksheet, task: TaskView, err: string): void {
  const { State, Timestamp, Err } = task.body.Status
  if (State === 'pending' && Err === err) return
  const since = State === 'pending' ? Timestamp : rfc3339(sheet.nowMs)
  const status = {
    Timestamp: since,
    State: 'pending',
    Message: 'waits for a node',
    Err: err,
  } as const
  sheet.patchTask(task, { Status: status })
}

/** Why a task must not be on this node, whether that is up or full or not; null when it may. */
export function lastingRefusal(node: NodeView, needs: Needs): NodeRefusal | null {
  const candidate = { node, presence: 'alive', record: undefined, load: new NodeLoad() } as const
  return firstRefusal(candidate, needs, lastingFilters)
}

const lastingFilters = filters.filter((filter) => filter.isLasting)

function firstRefusal(
  candidate: Candidate,
  needs: Needs,
  asked: readonly Filter[],
): NodeRefusal | null {
  for (const filter of asked) {
    const reason = filter.refuses(candidate, needs)
    if (reason !== null) return { filter: filter.name, reason }
  }
  return null
}

/** Swarm's spread: fewest tasks of the service, then fewest at all; equals are drawn among. */
function leastLoaded(
  candidates: readonly Candidate[],
  needs: Needs,
  random: Random,
): Candidate | null {
  let best: Candidate[] = []
  for (const candidate of candidates) {
    const order = best[0] === undefined ? -1 : compareLoad(candidate, best[0], needs)
    if (order < 0) best = [candidate]
    else if (order === 0) best.push(candidate)
  }
  return best.length === 0 ? null : (best[random.below(best.length)] ?? null)
}

function compareLoad(left: Candidate, right: Candidate, needs: Needs): number {
  const { serviceId, slot } = needs
  const isBad = ({ load }: Candidate): number =>
    Number(load.failuresOf(serviceId) >= failuresToAvoid)
  return (
    isBad(left) - isBad(right) ||
    left.load.slotsOf(serviceId, slot) - right.load.slotsOf(serviceId, slot) ||
    left.load.wanted - right.load.wanted
  )
}
