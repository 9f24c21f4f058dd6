import type { Member } from '../../mesh/membership/types.ts'
import type { Node, NodeRecord } from '../model/docker.ts'
import type { NodeView } from '../model/node-view.ts'
import type { Observed } from '../model/observed.ts'
import { sameJson } from '../model/same-json.ts'
import { isPresent, type Presence, presenceOf, unseenPatienceMs } from './lost-nodes.ts'
import type { OrchestratorMemory } from './memory.ts'
import type { Worksheet } from './worksheet.ts'

/** Writes down what members and nodes say: state, description, addresses. */
export function updateNodes(
  sheet: Worksheet,
  observed: Observed,
  memory: OrchestratorMemory,
): void {
  for (const node of sheet.nodes()) {
    const presence = presenceOf(observed, node.id)
    const unseenMs = sheet.nowMs - (memory.absentSinceMs.get(node.id) ?? sheet.nowMs)
    const record = observed.nodes.get(node.id)
    const body: Node = {
      ...node.body,
      ...descriptionOf(node, isPresent(presence) ? record : undefined),
      Status: statusOf(node, { presence, unseenMs, record }),
      Mesh: addressesOf(node, observed.members.get(node.id)),
    }
    if (!sameJson(body, node.body)) sheet.patchNode(node, body)
  }
}

interface Sighting {
  readonly presence: Presence
  readonly unseenMs: number
  readonly record: NodeRecord | undefined
}

function statusOf(node: NodeView, { presence, unseenMs, record }: Sighting): Node['Status'] {
  const { Addr } = node.body.Status
  switch (presence) {
    case 'alive':
    case 'suspect':
      if (record?.engineReady !== false) return { State: 'ready', Addr }
      return { State: 'ready', Message: record.message || 'the container engine is gone', Addr }
    case 'dead':
      return { State: 'down', Message: 'does not answer', Addr }
    case 'left':
      return { State: 'down', Message: 'was stopped', Addr }
    case 'unseen':
      if (unseenMs < unseenPatienceMs) return node.body.Status
      return { State: 'down', Message: 'was not seen', Addr }
  }
}

function descriptionOf(
  node: NodeView,
  record: NodeRecord | undefined,
): Partial<Pick<Node, 'Description' | 'ManagerStatus'>> {
  if (record === undefined) return {}
  const api = record.description.ApiAddress ?? node.body.Description.ApiAddress
  const description = { ...record.description, ...(api !== undefined && { ApiAddress: api }) }
  if (node.role === 'worker' || api === undefined) return { Description: description }
  return { Description: description, ManagerStatus: { Addr: api } }
}

/** A node that came back under another address said so to the members first. */
function addressesOf(node: NodeView, member: Member | undefined): Node['Mesh'] {
  if (member?.state !== 'alive') return node.mesh
  return {
    ...node.mesh,
    GossipAddress: member.meta.gossipAddress,
    ControlAddress: member.meta.controlAddress,
    DataPathAddress: member.meta.dataPathAddress,
  }
}
