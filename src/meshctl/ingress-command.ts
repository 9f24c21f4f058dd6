import type { ApiIngress, ApiIngressPort } from '../client/types.ts'
import { printListing, type Listing, type ListingOptions, type Row } from './listing.ts'
import type { Session } from './session.ts'

const columns: Listing['columns'] = [
  ['Node', 'NODE'],
  ['Port', 'PORT'],
  ['Mode', 'MODE'],
  ['Service', 'SERVICE'],
  ['Tasks', 'TASKS'],
  ['Bound', 'BOUND'],
  ['Listening', 'LISTENING'],
  ['Warnings', 'WARNINGS'],
]

/** Each published port on each node; a node that does not answer has a line that says so. */
export async function listIngress(session: Session, flags: ListingOptions): Promise<void> {
  const nodes = [...(await session.client.ingress())].sort((left, right) =>
    left.NodeName < right.NodeName ? -1 : 1,
  )
  const ports = nodes.flatMap((node) => node.Ports.map((port) => ({ node, port })))
  // By port, and within one by node: a port that some nodes lack is seen at once.
  const sorted = ports.sort((left, right) => left.port.Port - right.port.Port)
  const rows = sorted.map(({ node, port }) => rowOf(node, port))
  const silent = nodes.filter(({ Error: because }) => because !== undefined)
  if (flags.quiet !== true) rows.push(...silent.map(failedRow))
  else for (const node of silent) session.io.err(`warning: node ${node.NodeName} ${node.Error}\n`)
  printListing(session.io, { columns, rows }, flags)
}

function rowOf({ NodeID, NodeName }: ApiIngress, port: ApiIngressPort): Row {
  const name = `${port.Port}/${port.Protocol}`
  const plain = {
    ID: `${NodeID}/${name}`,
    Node: NodeName,
    NodeID,
    Port: name,
    Mode: port.Mode,
    Service: port.ServiceName,
    ServiceID: port.ServiceID,
    Tasks: String(port.Tasks),
    Bound: boundWord(port),
    Listening: port.Listening.join(','),
    Warnings: port.Warnings.join('; '),
  }
  return { plain, marked: { Listening: plain.Listening || '-' } }
}

const boundWord = ({ Bound, Listening }: ApiIngressPort): string => {
  if (Bound) return 'yes'
  return Listening.length > 0 ? 'partly' : 'no'
}

function failedRow({ NodeID, NodeName, Error: because = '' }: ApiIngress): Row {
  const plain = {
    ...{ ID: NodeID, Node: NodeName, NodeID, Port: '', Mode: '', Service: '', ServiceID: '' },
    ...{ Tasks: '', Bound: 'unknown', Listening: '', Warnings: because },
  }
  return { plain, marked: { Port: '-', Mode: '-', Service: '-', Tasks: '-', Listening: '-' } }
}
