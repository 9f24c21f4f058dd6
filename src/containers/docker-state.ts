import type { ContainerInspectInfo } from 'dockerode'
import type { HostPort } from '../model/docker.ts'
import type { ContainerRequest, ContainerState } from './container-engine.ts'
import { lastLineOf } from './last-line.ts'

/** Whose containers an engine may touch. */
export interface Owner {
  readonly cluster: string
  readonly node: string
}

const portsLabel = 'mesh.ports'
const neverStarted = '0001-01-01T00:00:00Z'

/** What every container of ours carries, whatever the caller put into its request. */
export function ownerLabels(owner: Owner, request: ContainerRequest): Record<string, string> {
  return {
    'mesh.cluster': owner.cluster,
    'mesh.node': owner.node,
    'mesh.task': request.taskId,
    [portsLabel]: request.targetPorts.join(','),
  }
}

export const ownerFilter = ({ cluster, node }: Owner): string[] => [
  `mesh.cluster=${cluster}`,
  `mesh.node=${node}`,
]

export function isOwn(info: ContainerInspectInfo, { cluster, node }: Owner): boolean {
  const labels = info.Config.Labels ?? {}
  return labels['mesh.cluster'] === cluster && labels['mesh.node'] === node
}

export function stateOf(info: ContainerInspectInfo, lastLine: string | null): ContainerState {
  const { State } = info
  const hasExited = State.Status === 'exited' || State.Status === 'dead'
  return {
    id: info.Id,
    taskId: info.Config.Labels?.['mesh.task'] ?? '',
    running: State.Running,
    ...(State.Paused && { paused: true }),
    ...(State.StartedAt !== neverStarted && { startedAt: State.StartedAt }),
    started: State.StartedAt !== neverStarted,
    pid: State.Pid,
    exitCode: hasExited ? State.ExitCode : null,
    isOutOfMemory: State.OOMKilled,
    ...(info.HostConfig.Memory && { memoryLimitBytes: info.HostConfig.Memory }),
    health: healthOf(State.Health?.Status),
    targets: State.Running ? targetsOf(info) : {},
    ...(State.Health?.Status === 'unhealthy' && lastHealthOutput(State.Health.Log)),
    ...(State.Running && hostPortsOf(info)),
    ...(lastLine !== null && { lastLine }),
  }
}

function healthOf(status: string | undefined): ContainerState['health'] {
  return status === 'starting' || status === 'healthy' || status === 'unhealthy' ? status : 'none'
}

function lastHealthOutput(
  log: readonly { readonly Output: string }[] | undefined,
): Pick<ContainerState, 'healthOutput'> {
  const line = lastLineOf(log?.at(-1)?.Output ?? '')
  return line === null ? {} : { healthOutput: line }
}

/** Docker names a binding twice where it has both kinds of address. */
function hostPortsOf(info: ContainerInspectInfo): Pick<ContainerState, 'hostPorts'> {
  const found = new Map<string, HostPort>()
  for (const [key, bindings] of Object.entries(info.NetworkSettings.Ports ?? {})) {
    const [target, protocol] = key.split('/') as [string, HostPort['protocol']]
    for (const { HostPort } of bindings ?? []) {
      const port = { protocol, targetPort: Number(target), publishedPort: Number(HostPort) }
      found.set(`${key} ${HostPort}`, port)
    }
  }
  return found.size === 0 ? {} : { hostPorts: [...found.values()] }
}

/** Its own address on the bridge: nothing is published by Docker, the ingress dials it directly. */
function targetsOf(info: ContainerInspectInfo): Record<string, string> {
  const { bridge, ...others } = info.NetworkSettings.Networks ?? {}
  const address = bridge?.IPAddress || Object.values(others)[0]?.IPAddress || ''
  const ports = info.Config.Labels?.[portsLabel] ?? ''
  if (address === '' || ports === '') return {}
  return Object.fromEntries(ports.split(',').map((port) => [port, `${address}:${port}`]))
}

/**
 * Docker frames the output of a container without a terminal: stream(1) 0(3) length(4), bytes.
 * What went wrong is said on stderr, if anything was said there.
 */
export function lastLineOfLog(log: Buffer): string | null {
  const said: { readonly isError: boolean; readonly bytes: Buffer }[] = []
  let at = 0
  while (at + 8 <= log.length) {
    const end = at + 8 + log.readUInt32BE(at + 4)
    said.push({ isError: log[at] === stderr, bytes: log.subarray(at + 8, end) })
    at = end
  }
  const lastOf = (parts: typeof said): string | null =>
    lastLineOf(Buffer.concat(parts.map(({ bytes }) => bytes)).toString('utf8'))
  return lastOf(said.filter(({ isError }) => isError)) ?? lastOf(said)
}

const stderr = 2
