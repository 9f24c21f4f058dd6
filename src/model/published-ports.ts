import type { Random } from '../../mesh/base/random.ts'
import type { CatalogReader } from '../../mesh/catalog/types.ts'
import { portClaim } from './claims.ts'
import type { PortConfig } from './docker.ts'
import { portOf } from './host-port.ts'
import { type NodeView, nodesOf } from './node-view.ts'
import { serviceById, servicesOf } from './service-view.ts'

/** Swarm's range for ports that nobody asked for by number. */
const firstDynamicPort = 30_000
const lastDynamicPort = 32_767

export type PublishedPorts =
  | { readonly kind: 'published'; readonly ports: readonly PortConfig[] }
  | { readonly kind: 'refused'; readonly problem: string }

export interface PortRequest {
  readonly catalog: CatalogReader
  readonly wanted: readonly PortConfig[]
  /** What the service has now, so that an update keeps the ports it was given; empty for a new one. */
  readonly current: readonly PortConfig[]
  readonly random: Random
}

/** A service's ports with defaults and published ports filled in, ready to be claimed. */
export function publishPorts(request: PortRequest): PublishedPorts {
  const { catalog, wanted } = request
  const chosen = new Set<string>()
  const ports: PortConfig[] = []
  for (const port of explicitFirst(wanted)) {
    const filled = withDefaults(port)
    const at = wanted.indexOf(port)
    if (filled.PublishMode === 'host') {
      const problem = hostPortProblem(filled, request)
      if (problem !== null) return refused(problem)
      ports[at] = filled
      continue
    }
    const published = filled.PublishedPort || chooseFor(filled, request, chosen)
    if (published === null) return refused('every port from 30000 to 32767 is taken')
    const problem =
      portProblem(catalog, published, filled.Protocol) ?? heldOnNodes(filled, published, request)
    if (problem !== null) return refused(problem)
    const claim = portClaim(filled.Protocol ?? 'tcp', published)
    if (chosen.has(claim)) {
      return refused(`port ${published}/${filled.Protocol} is published twice`)
    }
    chosen.add(claim)
    ports[at] = { ...filled, PublishedPort: published }
  }
  return { kind: 'published', ports }
}

/** Why no service may publish this port; null when it may. Ports of services are claims, not here. */
export function portProblem(
  catalog: CatalogReader,
  port: number,
  protocol: string = 'tcp',
): string | null {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return `${port} is not a port`
  for (const node of nodesOf(catalog)) {
    const use = ownUse(node, port, protocol)
    if (use !== null) return `port ${port} is the ${use} of node ${node.name} itself`
  }
  return null
}

/** Host-mode ports are each node's own affair, nobody claims them; but the ingress is on every node. */
function hostPortProblem(
  port: PortConfig,
  { catalog, wanted, current }: PortRequest,
): string | null {
  const { PublishedPort = 0, Protocol = 'tcp' } = port
  if (PublishedPort === 0) return null
  const alike = wanted.filter((other) => isSamePort(other, Protocol, PublishedPort))
  if (alike.length > 1) return `port ${PublishedPort}/${Protocol} is published twice`
  const holder = catalog.holder(portClaim(Protocol, PublishedPort))
  const isOwn = current.some(
    (other) => other.PublishMode !== 'host' && isSamePort(other, Protocol, PublishedPort),
  )
  if (holder === undefined || isOwn) return portProblem(catalog, PublishedPort, Protocol)
  const name = serviceById(catalog, holder.id)?.name ?? holder.id
  return `port ${PublishedPort}/${Protocol} is published on every node by service ${name}`
}

/** Why the ingress cannot have a port on every node. */
function heldOnNodes(
  { Protocol = 'tcp' }: PortConfig,
  published: number,
  { catalog, current }: PortRequest,
): string | null {
  const isOwn = current.some(
    (port) => port.PublishMode === 'host' && isSamePort(port, Protocol, published),
  )
  if (isOwn) return null
  const holder = servicesOf(catalog).find(({ ports }) =>
    ports.some(
      (port) =>
        port.publishMode === 'host' &&
        port.protocol === Protocol &&
        port.publishedPort === published,
    ),
  )
  if (holder === undefined) return null
  return `port ${published}/${Protocol} is published in mode host by service ${holder.name}`
}

const isSamePort = (port: PortConfig, protocol: string, published: number): boolean =>
  (port.Protocol || 'tcp') === protocol && port.PublishedPort === published

/** A node itself speaks UDP on its gossip port alone. */
function ownUse(node: NodeView, port: number, protocol: string): string | null {
  if (portOf(node.mesh.GossipAddress) === port) return 'gossip port'
  if (protocol !== 'tcp') return null
  if (portOf(node.apiAddress) === port) return 'API and join port'
  if (portOf(node.mesh.DataPathAddress) === port) return 'data path port'
  return null
}

/** So that no port is given away that a later entry asks for by number. */
function explicitFirst(ports: readonly PortConfig[]): readonly PortConfig[] {
  return [...ports.filter(isExplicit), ...ports.filter((port) => !isExplicit(port))]
}

const isExplicit = (port: PortConfig): boolean => (port.PublishedPort ?? 0) > 0

function withDefaults(port: PortConfig): PortConfig {
  return {
    ...port,
    Protocol: port.Protocol || 'tcp',
    PublishMode: port.PublishMode || 'ingress',
  }
}

function chooseFor(
  port: PortConfig,
  { catalog, current, random }: PortRequest,
  chosen: ReadonlySet<string>,
): number | null {
  const protocol = port.Protocol ?? 'tcp'
  const isFree = (number: number): boolean => !chosen.has(portClaim(protocol, number))
  const kept = current.find(
    (old) =>
      old.TargetPort === port.TargetPort &&
      (old.Protocol || 'tcp') === protocol &&
      old.PublishMode !== 'host' &&
      isFree(old.PublishedPort ?? 0),
  )
  if (kept?.PublishedPort) return kept.PublishedPort
  const count = lastDynamicPort - firstDynamicPort + 1
  const start = random.below(count)
  for (let step = 0; step < count; step++) {
    const number = firstDynamicPort + ((start + step) % count)
    const isHeld = catalog.holder(portClaim(protocol, number)) !== undefined
    if (!isHeld && isFree(number) && portProblem(catalog, number, protocol) === null) return number
  }
  return null
}

const refused = (problem: string): PublishedPorts => ({ kind: 'refused', problem })
