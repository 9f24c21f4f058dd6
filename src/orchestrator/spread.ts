import type { NodeView } from '../model/node-view.ts'
import { labelOf } from './constraint.ts'
import type { Candidate, Needs } from './filters.ts'

/**
 * Of the nodes that fit, those in the branches that have the fewest tasks of the service: the first
 * preference divides the nodes by the value of a label, the next divides every branch again. Nodes
 * without the label are one branch of their own. Tasks on nodes that do not fit count for theirs.
 */
export function bySpread(
  fitting: readonly Candidate[],
  needs: Needs,
  all: readonly Candidate[],
): readonly Candidate[] {
  let chosen = fitting
  const path: string[] = []
  for (const descriptor of needs.spec.spreadOver) {
    path.push(descriptor)
    const branchOf = ({ node }: Candidate): string => JSON.stringify(path.map(valueOn(node)))
    const filled = new Map<string, number>()
    for (const one of all) {
      const count = one.load.slotsOf(needs.serviceId, needs.slot)
      filled.set(branchOf(one), (filled.get(branchOf(one)) ?? 0) + count)
    }
    const countOf = (one: Candidate): number => filled.get(branchOf(one)) ?? 0
    const fewest = Math.min(...chosen.map(countOf))
    chosen = chosen.filter((one) => countOf(one) === fewest)
  }
  return chosen
}

const valueOn =
  (node: NodeView) =>
  (descriptor: string): string =>
    labelOf(node, descriptor) ?? ''

/** Why a preference cannot be followed; null when it can. */
export function preferenceProblem(descriptor: string): string | null {
  if (/^(?:node|engine)\.labels\..+$/i.test(descriptor)) return null
  return `placement preference spread=${descriptor} must name node.labels.KEY or engine.labels.KEY`
}
