import { unreachable } from '../../mesh/base/assert.ts'
import type { Clock } from '../../mesh/base/clock.ts'
import type { Random } from '../../mesh/base/random.ts'
import type { Endpoint, RouteTable } from '../routing/route-table.ts'
import { entryId } from '../wire/ingress-counts.ts'
import type { TunnelIdentity } from '../wire/ingress-message.ts'
import type { Census } from './census.ts'
import { DialGuard } from './dial-guard.ts'
import {
  defaultConnectTimeoutMs,
  TaskDialer,
  type CancelDial,
  type DialRequest,
} from './dial-task.ts'
import { DrainWatch } from './drain-watch.ts'
import type { DialHandler } from './end.ts'
import { Entrances } from './entrances.ts'
import { Load } from './load.ts'
import { AccessLog } from './http/access-log.ts'
import type { Loop } from './loop.ts'
import { placeKey, type Place } from './place.ts'
import type { Dialer } from './relay.ts'
import { Reminder } from './reminder.ts'
import { Routes } from './routes.ts'
import type { SecureChannels } from './tunnel/secure-channel.ts'
import { PeerBook, TrafficBook } from './counts/traffic.ts'
import { TunnelPool } from './tunnel/tunnel-pool.ts'
import { TunnelServer } from './tunnel/tunnel-server.ts'
import type { DatagramLoop } from './udp/datagram-loop.ts'
import type { FlowDialHandler } from './udp/flow-end.ts'
import type { FlowDialer } from './udp/flow.ts'
import { UdpEntrances } from './udp/udp-entrances.ts'
import type { FromWorker, PlaneOptions, ToWorker } from './worker-message.ts'

export interface PlaneDeps {
  readonly loop: Loop
  readonly datagrams: DatagramLoop
  readonly channels: SecureChannels
  readonly clock: Clock
  readonly random: Random
  readonly census: Census
  readonly tell: (message: FromWorker) => void
}

const countersPeriodMs = 1000
const finishLookMs = 20
/** For a peer to say that its own dial of a task has failed. */
const answerMarginMs = 500
const nothing: CancelDial = () => {}

/** What one worker does: the published ports, the tunnels both ways, and the tasks of this node. */
export class Plane implements Dialer, FlowDialer {
  readonly #options: PlaneOptions
  readonly #deps: PlaneDeps
  readonly #routes = new Routes()
  readonly #ports = new TrafficBook()
  readonly #tasks = new TrafficBook()
  readonly #peers = new PeerBook()
  readonly #taskDialer: TaskDialer
  readonly #entrances: Entrances
  readonly #udpEntrances: UdpEntrances
  readonly #server: TunnelServer
  readonly #pool: TunnelPool
  readonly #drains: DrainWatch
  readonly #reminder: Reminder
  readonly #accessLog: AccessLog
  readonly #endCounters: () => void
  #identity: TunnelIdentity | null = null
  #hasDataPath = false
  #isListeningForPeers = false
  #isFinishing = false

  constructor(options: PlaneOptions, deps: PlaneDeps) {
    this.#options = options
    this.#deps = deps
    const { loop, datagrams, clock, random, channels, census, tell } = deps
    const routes = this.#routes
    this.#reminder = new Reminder(clock)
    this.#taskDialer = new TaskDialer({ loop, datagrams, routes, traffic: this.#tasks })
    this.#pool = new TunnelPool({
      loop,
      clock,
      random,
      channels,
      peers: this.#peers,
      onReachable: () => routes.wake(),
      onDrain: (node, task) => {
        routes.drainRemote(node, task)
        this.#tasksChanged()
      },
      onStatus: (node, answers) => tell({ kind: 'peer-status', node, answers }),
      onRefused: (node, because) => this.#warn('no tunnel to a peer', node, because),
    })
    this.#server = new TunnelServer({
      loop,
      clock,
      routes,
      dialer: this.#taskDialer,
      traffic: this.#tasks,
      peers: this.#peers,
      onListening: () => {},
      onListenFailed: (code) => this.#listenFailed(this.#dataPathPlace, code),
      onRefused: (remote, because) => this.#warn('refused on the data path', remote, because),
    })
    this.#accessLog = new AccessLog(clock, (batch) => tell({ kind: 'access', batch }))
    const shared = { routes, dialer: this, load: new Load(), clock, random, census }
    const ports = this.#ports
    const listening = {
      isShared: options.isShared,
      onListenFailed: (place: Place, code: string) => this.#listenFailed(place, code),
    }
    this.#entrances = new Entrances(
      {
        ...shared,
        ports,
        loop,
        accessLog: this.#accessLog,
        onRefused: (remote, because) => this.#warn('refused at a published port', remote, because),
      },
      listening,
    )
    this.#udpEntrances = new UdpEntrances({ ...shared, ports }, { ...listening, datagrams })
    this.#drains = new DrainWatch({
      clock,
      isDropped: (task) => this.#server.isDropped(task),
      openOf: (task) => this.#tasks.openOf(task),
      tell: (task, open) => tell({ kind: 'open-connections', task, open }),
    })
    this.#endCounters = clock.every(countersPeriodMs, () => this.#tellCounters())
  }

  receive(message: ToWorker): void {
    switch (message.kind) {
      case 'identity':
        return this.#setIdentity(message.identity)
      case 'routes':
        return this.#setRoutes(message.table)
      case 'ports':
        return this.#setPorts(message)
      case 'drain':
        this.#routes.drain(message.task)
        this.#tasksChanged()
        this.#server.drain(message.task)
        return this.#drains.watch(message.task)
      case 'finish':
        return this.#finish()
      case 'access-taken':
        return this.#accessLog.taken()
      default:
        return unreachable(message)
    }
  }

  dial(endpoint: Endpoint, request: DialRequest, handler: DialHandler): CancelDial {
    if (endpoint.node === this.#routes.table?.self) return this.#taskDialer.dial(request, handler)
    const limitMs = (request.connectTimeoutMs ?? defaultConnectTimeoutMs) + answerMarginMs
    const guard = new DialGuard(handler, this.#deps.clock, limitMs)
    const cancel = this.#pool.dial(endpoint.node, request, guard)
    if (cancel === null) guard.onFailed({ kind: 'gone' })
    return guard.guard(cancel ?? nothing)
  }

  dialFlow(endpoint: Endpoint, request: DialRequest, handler: FlowDialHandler): CancelDial {
    const isLocal = endpoint.node === this.#routes.table?.self
    if (isLocal) return this.#taskDialer.dialFlow(request, handler)
    const cancel = this.#pool.dialFlow(endpoint.node, request, handler)
    if (cancel === null) handler.onFailed({ kind: 'gone' })
    return cancel ?? nothing
  }

  isReachable(endpoint: Endpoint): boolean {
    return endpoint.node === this.#routes.table?.self || this.#pool.isReachable(endpoint.node)
  }

  /** Resets everything that is open. */
  stop(): void {
    this.#endCounters()
    this.#drains.stop()
    this.#entrances.resetAll()
    this.#udpEntrances.setPlaces([])
    this.#pool.stop()
    this.#server.destroyAll()
    this.#deps.channels.unlisten()
    this.#deps.loop.stop()
    this.#deps.datagrams.stop()
  }

  #setIdentity(identity: TunnelIdentity): void {
    const isNew = this.#identity?.certificatePem !== identity.certificatePem
    this.#identity = identity
    this.#deps.channels.setIdentity(identity)
    this.#listenForPeers()
    if (isNew) this.#pool.renew()
    this.#dialPeers()
  }

  #setRoutes(table: RouteTable): void {
    this.#routes.replace(table)
    this.#ports.keepOnly(new Set(table.listeners.map(entryId)))
    this.#tasks.keepOnly(new Set(table.localTasks.map((task) => task.task)))
    this.#peers.keepOnly(new Set(table.peers.map((peer) => peer.node)))
    this.#tasksChanged()
    this.#server.recheckPeers()
    this.#dialPeers()
    this.#deps.tell({ kind: 'applied', version: table.version })
  }

  #tasksChanged(): void {
    this.#entrances.routesChanged()
    this.#udpEntrances.routesChanged()
  }

  #setPorts(message: Extract<ToWorker, { kind: 'ports' }>): void {
    if (this.#isFinishing) return
    this.#hasDataPath = message.dataPath
    this.#listen(message.places)
    if (message.dataPath) this.#listenForPeers()
    else this.#stopListeningForPeers()
  }

  #listen(places: readonly Place[]): void {
    this.#entrances.setPlaces(places.filter(({ protocol }) => protocol === 'tcp'))
    this.#udpEntrances.setPlaces(places.filter(({ protocol }) => protocol === 'udp'))
  }

  #listenForPeers(): void {
    if (this.#identity === null || !this.#hasDataPath || this.#isListeningForPeers) return
    this.#isListeningForPeers = true
    const spec = { ...this.#dataPathPlace, shared: this.#options.isShared }
    this.#deps.channels.listen(spec, this.#server)
  }

  #stopListeningForPeers(): void {
    this.#isListeningForPeers = false
    this.#deps.channels.unlisten()
  }

  #dialPeers(): void {
    const { table } = this.#routes
    if (this.#identity !== null && table !== null) this.#pool.setPeers(table.peers)
  }

  get #dataPathPlace(): Place {
    const { listenAddress, dataPathPort } = this.#options
    return { protocol: 'tcp', host: listenAddress, port: dataPathPort }
  }

  #listenFailed(place: Place, code: string): void {
    if (placeKey(place) === placeKey(this.#dataPathPlace)) this.#isListeningForPeers = false
    this.#deps.tell({ kind: 'listen-failed', place, code })
  }

  #warn(message: string, peer: string, because: string): void {
    if (!this.#reminder.shouldSay(`${peer} ${because}`)) return
    this.#deps.tell({ kind: 'warning', message, facts: { peer, because } })
  }

  #tellCounters(): void {
    const counts = {
      ports: this.#ports.counts(),
      tasks: this.#tasks.counts(),
      ...this.#entrances.httpCounts(),
      peers: this.#peers.counts(),
    }
    this.#deps.tell({ kind: 'counters', counts })
  }

  #finish(): void {
    this.#isFinishing = true
    this.#entrances.finish()
    this.#udpEntrances.setPlaces([])
    this.#server.finish()
    this.#stopListeningForPeers()
    const endLooking = this.#deps.clock.every(finishLookMs, () => {
      if (this.#entrances.openConnections + this.#server.openStreams > 0) return
      endLooking()
      this.#accessLog.flush()
      this.#deps.tell({ kind: 'finished' })
    })
  }
}
