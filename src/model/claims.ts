import type { Node, PortConfig, Service } from './docker.ts'

const namePattern = /^[a-zA-Z0-9](?:[-_]*[A-Za-z0-9]+)*$/
const nameLimit = 63

/** Two names that differ in case only are the same one, as in Swarm. */
export const nameClaim = (kind: string, name: string): string =>
  `name/${kind}/${name.toLowerCase()}`

export const portClaim = (protocol: string, port: number): string => `port/${protocol}/${port}`

/** A service holds its name and every port that it publishes through the ingress. */
export function serviceClaims(service: Service): string[] {
  const ports = (service.Endpoint.Ports ?? []).filter(isClaimed)
  const claims = ports.map((port) => portClaim(port.Protocol || 'tcp', port.PublishedPort ?? 0))
  return [nameClaim('service', service.Spec.Name), ...claims]
}

/**
 * A node holds its Raft id, which is derived from its id and must not meet another's. Not its name:
 * Swarm allows two nodes with the same one.
 */
export const nodeClaims = (node: Node): string[] => [`raft/${node.Mesh.RaftId}`]

/** There is one cluster object. */
export const clusterClaims: readonly string[] = [nameClaim('cluster', 'default')]

/** Why a service cannot be called so; null when it can. */
export function nameProblem(name: string): string | null {
  if (name === '') return 'a name is needed'
  if (name.length > nameLimit) return `name must be ${nameLimit} characters or fewer`
  if (namePattern.test(name)) return null
  return `name ${JSON.stringify(name)} must be letters and digits, with - and _ between them`
}

const isClaimed = (port: PortConfig): boolean =>
  (port.PublishMode || 'ingress') === 'ingress' && (port.PublishedPort ?? 0) > 0
