import type { Member } from '../../mesh/membership/types.ts'
import type { Node, NodeDescription, NodeRecord } from '../model/docker.ts'
import { hostOf } from '../model/host-port.ts'
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
    const mesh = addressesOf(node, observed.members.get(node.id))
    const { ManagerStatus: _former, ...rest } = node.body
    const body: Node = {
      ...rest,
      ...(record !== undefined &&
        isPresent(presence) && { Description: descriptionOf(node, record) }),
      Status: statusOf(node, { presence, unseenMs, record, address: hostOf(mesh.ControlAddress) }),
      ...(node.role === 'manager' && { ManagerStatus: { Addr: mesh.ControlAddress } }),
      Mesh: mesh,
    }
    if (!sameJson(body, node.body)) sheet.replaceNode(node, body)
  }
}

/** A daemon whose engine has not answered yet knows little of its node; what was known stays true. */
function descriptionOf(
  { body }: NodeView,
  { engineReady, description }: NodeRecord,
): NodeDescription {
  if (engineReady) return description
  const { Hostname, Runtime, ApiAddress } = description
  const own = { Hostname, Runtime, ...(ApiAddress !== undefined && { ApiAddress }) }
  return { ...body.Description, ...own }
}

interface Sighting {
  readonly presence: Presence
  readonly unseenMs: number
  readonly record: NodeRecord | undefined
  readonly address: string
}

function statusOf(node: NodeView, sighting: Sighting): Node['Status'] {
  const { presence, unseenMs, record, address: Addr } = sighting
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
