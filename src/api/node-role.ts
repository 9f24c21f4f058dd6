import { nodeId } from '../../mesh/base/ids.ts'
import { nextRaftId } from '../../mesh/node/raft-id.ts'
import { nodeClaims } from '../model/claims.ts'
import type { Node, NodeSpec } from '../model/docker.ts'
import type { ClusterView } from '../model/observed.ts'
import type { ApiContext } from './api-context.ts'
import { asJson } from './as-json.ts'
import { conflict } from './api-error.ts'
import type { Found } from './lookup.ts'
import { arithmetic, canAgree, remainingManagers } from './manager-quorum.ts'

export const nameOf = ({ body }: Found<Node>): string => body.Spec.Name || body.Description.Hostname

/** Writes what an operator wants of the node as it was read; the node itself follows by and by. */
export async function updateSpec(
  context: ApiContext,
  node: Found<Node>,
  spec: NodeSpec,
): Promise<void> {
  const body = withSpec(node, spec, context.localView())
  const object = { kind: 'node', id: node.id, claims: nodeClaims(body), body: asJson(body) }
  await context.write([{ kind: 'update', object, ifVersion: node.version }])
}

/** Raft would go on counting a manager that nobody may speak to any more. */
export function refuseManagerRemoval(node: Found<Node>, { deps }: ApiContext): void {
  const name = nameOf(node)
  const isDemoted = node.body.Spec.Role === 'worker'
  if (isDemoted && !deps.node.isRaftMember(nodeId(node.id))) return
  throw conflict(
    `node ${name} is a manager and can't be removed`,
    isDemoted ? 'it was demoted, but Raft still counts on it' : 'Raft counts on it',
    isDemoted ? 'try again in a moment' : `demote it first: meshctl node demote ${name}`,
  )
}

/** What the node becomes. A manager is known to Raft by another number in each of its lives. */
function withSpec(node: Found<Node>, spec: NodeSpec, view: ClusterView): Node {
  const { body } = node
  if (spec.Role === body.Spec.Role) return { ...body, Spec: spec }
  if (spec.Role === 'worker') {
    refuseDemotion(node, view)
    return { ...body, Spec: spec }
  }
  const raftId = nextRaftId(nodeId(node.id), body.Mesh.RaftId)
  if (raftId !== null) return { ...body, Spec: spec, Mesh: { ...body.Mesh, RaftId: raftId } }
  throw conflict(
    `node ${nameOf(node)} has been promoted too often`,
    'the numbers by which Raft may know it are used up',
    'let it leave the swarm, and join it anew as a manager',
  )
}

/** The managers that stay must be able to agree without it. */
function refuseDemotion(node: Found<Node>, view: ClusterView): void {
  const remaining = remainingManagers(node.id, view)
  if (remaining.total === 0) {
    throw conflict(
      `node ${nameOf(node)} is the last manager of the swarm and can't be demoted`,
      'nobody would be left to manage it',
      'promote another node first',
    )
  }
  if (canAgree(remaining)) return
  throw conflict(
    `demoting node ${nameOf(node)} would cost the swarm its quorum`,
    arithmetic(remaining),
    'bring the others back, or promote another node first',
  )
}
