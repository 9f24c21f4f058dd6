import type { Node, NodeDescription, Task } from '../model/docker.ts'
import { rfc3339 } from '../model/rfc3339.ts'
import type { ClusterView } from '../model/observed.ts'
import type { ApiContext } from './api-context.ts'
import { apiVersion, minApiVersion, sendJson, type Exchange } from './exchange.ts'
import { all, bodyOf } from './lookup.ts'
import { apiAddress } from './render.ts'
import { findCluster, renderCluster } from './swarm.ts'

const architectures: Readonly<Record<string, string>> = { x86_64: 'amd64', aarch64: 'arm64' }

export function ping(context: ApiContext, exchange: Exchange): void {
  exchange.res.writeHead(200, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': 2,
    'cache-control': 'no-cache, no-store, must-revalidate',
    'docker-experimental': 'false',
    ostype: 'linux',
    swarm: context.isManager ? 'active/manager' : 'active/worker',
  })
  exchange.res.end(exchange.method === 'HEAD' ? undefined : 'OK')
}

export function version(context: ApiContext, exchange: Exchange): void {
  const { deps } = context
  const { Platform } = descriptionOf(context, context.localView())
  const arch = architectures[Platform.Architecture] ?? Platform.Architecture
  const details = {
    ApiVersion: apiVersion,
    MinAPIVersion: minApiVersion,
    Os: Platform.OS,
    Arch: arch,
  }
  sendJson(exchange, 200, {
    Platform: { Name: 'meshd' },
    Components: [{ Name: 'meshd', Version: deps.version, Details: details }],
    Version: deps.version,
    ...details,
    GitCommit: '',
    GoVersion: '',
    KernelVersion: '',
    BuildTime: '',
  })
}

/** Answered by this node alone, also without a leader: `Mesh.Stale` says that it may be behind. */
export function info(context: ApiContext, exchange: Exchange): void {
  const { deps } = context
  const view = context.localView()
  const description = descriptionOf(context, view)
  const tasks = all<Task>(view.catalog, 'task').filter(({ body }) => body.NodeID === deps.node.self)
  const running = tasks.filter(({ body }) => body.Status.State === 'running').length
  const { leader } = deps.node.leader()
  sendJson(exchange, 200, {
    ID: deps.node.self,
    Name: description.Hostname,
    ServerVersion: deps.version,
    Containers: tasks.length,
    ContainersRunning: running,
    ContainersPaused: 0,
    ContainersStopped: tasks.length - running,
    Images: 0,
    Driver: deps.engine.runtime,
    DriverStatus: [],
    SystemTime: rfc3339(deps.clock.nowMs()),
    OperatingSystem: description.Platform.OS,
    OSType: description.Platform.OS,
    Architecture: description.Platform.Architecture,
    NCPU: Math.round(description.Resources.NanoCPUs / 1e9),
    MemTotal: description.Resources.MemoryBytes,
    Labels: Object.entries(description.Engine.Labels ?? {}).map(
      ([key, value]) => `${key}=${value}`,
    ),
    ...engineAbilities,
    Swarm: swarmBlock(context, view),
    Mesh: {
      Stale: true,
      CatalogIndex: view.catalog.index,
      Leader: leader,
      Runtime: deps.engine.runtime,
    },
    Warnings: warnings(view),
  })
}

/** Null when there are none, as Docker has it. */
function warnings({ observed }: ClusterView): readonly string[] | null {
  const blocked = [...observed.members.values()].filter(({ isUdpBlocked }) => isUdpBlocked === true)
  if (blocked.length === 0) return null
  return blocked.map(
    ({ meta }) =>
      `WARNING: UDP is blocked between this node and ${meta.name} (${meta.gossipAddress}): ` +
      'open it in both directions',
  )
}

/** Docker's CLI warns about every one of these that is missing. */
const engineAbilities = {
  MemoryLimit: true,
  SwapLimit: true,
  CpuCfsPeriod: true,
  CpuCfsQuota: true,
  CPUShares: true,
  CPUSet: true,
  PidsLimit: true,
  IPv4Forwarding: true,
  OomKillDisable: true,
  Plugins: { Volume: [], Network: [], Authorization: null, Log: [] },
  Runtimes: {},
  DefaultRuntime: '',
  SecurityOptions: [],
  LoggingDriver: '',
  CgroupDriver: '',
}

function swarmBlock(context: ApiContext, view: ClusterView): object {
  const { deps } = context
  const nodes = all<Node>(view.catalog, 'node')
  const managers = nodes.filter(({ body }) => body.Spec.Role === 'manager')
  const cluster = findCluster(view)
  return {
    NodeID: deps.node.self,
    NodeAddr: deps.advertiseAddress,
    LocalNodeState: 'active',
    ControlAvailable: context.isManager,
    Error: '',
    RemoteManagers: managers.map(({ id, body }) => ({
      NodeID: id,
      Addr: apiAddress(body),
    })),
    Nodes: nodes.length,
    Managers: managers.length,
    ...(cluster === null || !context.isManager ? {} : { Cluster: renderCluster(cluster, deps) }),
  }
}

function descriptionOf(context: ApiContext, view: ClusterView): NodeDescription {
  const { self } = context.deps.node
  const stored = view.catalog.get('node', self)
  if (stored !== undefined) return bodyOf<Node>(stored).body.Description
  return view.observed.nodes.get(self)?.description ?? unknownNode(context)
}

/** In the first moments of a worker, before its first projection has come. */
const unknownNode = (context: ApiContext): NodeDescription => ({
  Hostname: '',
  Platform: { Architecture: '', OS: 'linux' },
  Resources: { NanoCPUs: 0, MemoryBytes: 0 },
  Engine: { EngineVersion: context.deps.version },
  Runtime: context.deps.engine.runtime,
})
