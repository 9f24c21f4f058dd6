import type { ApiNode, ApiService } from '../client/types.ts'
import { nodeName, type Session } from './session.ts'

const maxUrls = 10

/** Where the service answers now: every published port on every node that could bind it. */
export function sayUrls({ io }: Session, service: ApiService, nodes: readonly ApiNode[]): void {
  const doors = doorsOf(service, nodes)
  const urls = doors.flatMap(({ url, conflict }) => (conflict === undefined ? [url] : []))
  if (urls.length > 0) io.out('it answers on:\n')
  for (const url of urls.slice(0, maxUrls)) io.out(`  ${url}\n`)
  if (urls.length > maxUrls) io.out(`  … and ${urls.length - maxUrls} more\n`)
  for (const { node, port, conflict } of doors) {
    if (conflict !== undefined) io.err(`warning: port ${port} is closed on ${node}: ${conflict}\n`)
  }
}

/** Nodes on which the service does not answer, with the reason. */
export function closedDoorLines(service: ApiService, nodes: readonly ApiNode[]): string[] {
  const closed = doorsOf(service, nodes).flatMap(({ node, port, conflict }) =>
    conflict === undefined ? [] : [` ${port} on ${node}: ${conflict}`],
  )
  return closed.length === 0 ? [] : ['Closed Ports:', ...closed]
}

function doorsOf(service: ApiService, nodes: readonly ApiNode[]): Door[] {
  const ports = (service.Endpoint?.Ports ?? []).flatMap(({ PublishedPort }) => PublishedPort ?? [])
  const ready = nodes.filter(({ Status }) => Status.State === 'ready')
  return ports.flatMap((port) => ready.map((node) => doorOf(node, port)))
}

interface Door {
  readonly node: string
  readonly port: number
  readonly url: string
  /** Why the node could not bind the port. */
  readonly conflict: string | undefined
}

function doorOf(node: ApiNode, port: number): Door {
  const { Addr } = node.Status
  const host = Addr.includes(':') ? `[${Addr}]` : Addr
  const conflict = node.Mesh?.PortConflicts?.[String(port)]
  return { node: nodeName(node), port, url: `http://${host}:${port}`, conflict }
}
