import type { TLSSocket } from 'node:tls'
import type { Clock } from '../../mesh/base/clock.ts'
import { nodeId, type NodeId } from '../../mesh/base/ids.ts'
import type { Log } from '../../mesh/base/log.ts'
import type { Random } from '../../mesh/base/random.ts'
import { caDigest, formatJoinToken } from '../../mesh/identity/join-token.ts'
import { drawUnlockKey } from '../../mesh/identity/unlock-key.ts'
import type { LocalMeshNode } from '../../mesh/node/local-mesh-node.ts'
import { ControlListener } from '../../mesh/transport/control-listener.ts'
import { createApi } from '../api/create-api.ts'
import type { ApiDeps, Caller } from '../api/deps.ts'
import { EventLog } from '../api/event-log.ts'
import { nodeById } from '../model/node-view.ts'
import type { ClusterView } from '../model/observed.ts'
import { ApiDialer } from './api-dialer.ts'
import { handOver, listenOnAddress, listenOnSocket, serverFor } from './api-listener.ts'
import type { ClusterStore } from './cluster-store.ts'
import type { Config } from './config.ts'
import { EventFile } from './event-file.ts'
import { ingressMetrics } from './ingress-metrics.ts'
import { ingressPorts } from './ingress-ports.ts'
import type { IngressSupervisor } from './ingress-supervisor.ts'
import { nextRoot } from './next-root.ts'
import { version } from './version.ts'

export interface StartApiOptions {
  readonly config: Config
  readonly advertiseAddr: string
  readonly runtime: 'docker' | 'process'
  readonly node: LocalMeshNode
  readonly store: ClusterStore
  readonly taskLogs: ApiDeps['taskLogs']
  readonly leave: () => void
  readonly eventLoopDelayMs: () => number
  readonly ingress: IngressSupervisor
}

interface Deps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

const maxStreamsANode = 256

/** The API for the operator (unix socket) and for the other nodes (2377, which also admits new ones). */
export async function startApi(options: StartApiOptions, deps: Deps): Promise<AsyncDisposable> {
  await using scope = new AsyncDisposableStack()
  const { config, node, store, runtime, ingress } = options
  const dialer = scope.use(new ApiDialer(node, deps.clock))
  // A stream holds its connection: calls must not wait for one behind it.
  const streamDialer = scope.use(new ApiDialer(node, deps.clock, maxStreamsANode))
  const view = (): ClusterView => store.view
  const watchView: ApiDeps['watchView'] = (listener) => store.onChange(listener)
  const eventFile = scope.use(await EventFile.open(config.dataDir, deps.log.child('events')))
  const eventDeps = { node, view, watchView, clock: deps.clock, store: eventFile }
  const events = scope.use(new EventLog(eventFile.past, eventDeps))
  const api = createApi({
    ...deps,
    node,
    view,
    watchView,
    events,
    engine: { runtime, socketPath: runtime === 'docker' ? config.dockerSocket : null },
    taskLogs: options.taskLogs,
    version,
    advertiseAddress: options.advertiseAddr,
    dataPathPort: config.dataPathPort,
    dialApi: (to) => dialer.route(to, controlAddressOf(store, to)),
    dialLogs: (to) => streamDialer.route(to, controlAddressOf(store, to)),
    leave: options.leave,
    eventLoopDelayMs: options.eventLoopDelayMs,
    ingressMetrics: () => ingressMetrics(ingress, store.view),
    ingressPorts: () => (ingress.pid === null ? null : ingressPorts(ingress)),
    drawUnlockKey,
    joinToken: (pem, secret) => formatJoinToken({ caDigest: caDigest(pem), secret }),
    nextRoot,
  })
  scope.defer(() => api.close())

  const callers = new WeakMap<object, Caller>()
  const serve = (callerOf: (socket: object) => Caller) => {
    const server = serverFor((req, res) => api.request(callerOf(req.socket), req, res))
    return server.on('upgrade', (req, socket, head) => {
      api.upgrade(callerOf(socket), req, socket, head)
    })
  }
  const forOperators = serve(() => ({ kind: 'local' }))
  // A socket that nobody vouched for has no caller, and no node has this id.
  const forNodes = serve((socket) => callers.get(socket) ?? { kind: 'peer', node: nodeId('') })
  scope.defer(() => forNodes.closeAllConnections())
  const control = await ControlListener.open(
    {
      identity: node.identity,
      listen: { host: config.listenAddr, port: config.controlPort },
      isMember: (id, peerId) => node.isMember(id, peerId),
      onJoin: (request, remoteHost) => node.answerJoin(request, remoteHost),
      onRenewal: (request) => node.answerRenewal(request),
      onApiConnection: (socket: TLSSocket, peer) => {
        callers.set(socket, { kind: 'peer', node: peer.nodeId })
        handOver(forNodes, socket)
      },
    },
    { ...deps, log: deps.log.child('control') },
  )
  scope.defer(() => control.close())
  node.onIdentity((identity) => control.useIdentity(identity))
  if (config.metricsAddr !== null) {
    const forScrapers = serve(() => ({ kind: 'scraper' }))
    scope.use(await listenOnAddress(forScrapers, config.metricsAddr))
  }
  scope.use(await listenOnSocket(forOperators, config.socketPath))
  return scope.move()
}

function controlAddressOf(store: ClusterStore, node: NodeId): string {
  return nodeById(store.view.catalog, node)?.mesh.ControlAddress ?? 'unknown.invalid:2377'
}
