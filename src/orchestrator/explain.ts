import { type FilterName, filters } from './filters.ts'

/** Why a task has no node. */
export interface Explanation {
  /** How many nodes were looked at. */
  readonly nodes: number
  /** One per reason, in the order of the filters. */
  readonly lines: readonly ExplanationLine[]
  /** What to try; for people. */
  readonly hint: string
}

export interface ExplanationLine {
  readonly filter: FilterName
  readonly nodes: number
  readonly reason: string
  /** `2 nodes: constraint node.labels.zone==a not satisfied`. */
  readonly text: string
}

export interface NodeRefusal {
  readonly filter: FilterName
  readonly reason: string
}

export function explain(refusals: readonly NodeRefusal[]): Explanation {
  const counts = new Map<string, { readonly refusal: NodeRefusal; nodes: number }>()
  for (const refusal of refusals) {
    const key = `${refusal.filter} ${refusal.reason}`
    const known = counts.get(key)
    if (known === undefined) counts.set(key, { refusal, nodes: 1 })
    else known.nodes++
  }
  const lines = [...counts.values()].sort(byFilter).map(({ refusal, nodes }) => ({
    ...refusal,
    nodes,
    text: `${counted(nodes)}: ${refusal.reason}`,
  }))
  return { nodes: refusals.length, lines, hint: hintFor(lines) }
}

/** In Swarm's style, for the status of a pending task. */
export function errorText({ lines }: Explanation): string {
  if (lines.length === 0) return 'no suitable node (there are no nodes)'
  const reasons = lines.map(({ reason, nodes }) => `${reason} on ${counted(nodes)}`)
  return `no suitable node (${reasons.join('; ')})`
}

/** For what keeps most nodes out; of equals the one that came closest. */
function hintFor(lines: readonly ExplanationLine[]): string {
  let main: ExplanationLine | undefined
  for (const line of lines) if (main === undefined || line.nodes >= main.nodes) main = line
  return main === undefined ? joinHint : hintOf(main)
}

const joinHint = 'add a node: meshctl swarm join-token worker prints the command for it'

function hintOf({ filter, reason }: ExplanationLine): string {
  switch (filter) {
    case 'readiness':
      return `see meshctl node ls; or ${joinHint}`
    case 'availability':
      return 'meshctl node update --availability active NODE lets a node take tasks again'
    case 'constraint':
      return constraintHint(reason)
    case 'platform':
      return 'use an image for the platform of the nodes'
    case 'runtime':
      return reason.endsWith('needs a command')
        ? 'give the command to run after the image, or start nodes with --runtime docker'
        : 'start nodes with --runtime docker'
    case 'resources':
      return `reserve less, or ${joinHint}`
    case 'host-port':
      return 'publish another port, or in mode ingress, which needs no port of one node'
    case 'max-replicas':
      return `raise --replicas-max-per-node, or ${joinHint}`
  }
}

function constraintHint(reason: string): string {
  const label = /node\.labels\.([^\s=!]+)\s*==\s*(.+?) not satisfied$/.exec(reason)
  if (label === null)
    return 'meshctl node inspect --pretty NODE shows what a constraint can ask for'
  return `meshctl node update --label-add ${label[1]}=${label[2]} NODE makes a node fit`
}

const counted = (nodes: number): string => (nodes === 1 ? '1 node' : `${nodes} nodes`)

const rank = new Map(filters.map((filter, at) => [filter.name, at]))

function byFilter(
  left: { readonly refusal: NodeRefusal },
  right: { readonly refusal: NodeRefusal },
): number {
  const order = (rank.get(left.refusal.filter) ?? 0) - (rank.get(right.refusal.filter) ?? 0)
  return order || (left.refusal.reason < right.refusal.reason ? -1 : 1)
}
