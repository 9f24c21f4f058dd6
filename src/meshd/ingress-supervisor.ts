import { unreachable } from '../../mesh/base/assert.ts'
import type { Clock } from '../../mesh/base/clock.ts'
import type { NodeId } from '../../mesh/base/ids.ts'
import type { Log } from '../../mesh/base/log.ts'
import { MeshError } from '../../mesh/base/mesh-error.ts'
import type { NodeIdentity } from '../../mesh/identity/node-identity.ts'
import type { RouteTable } from '../routing/route-table.ts'
import type { IngressCounts } from '../wire/ingress-counts.ts'
import type { FromIngress, PlaceState, TunnelIdentity } from '../wire/ingress-message.ts'
import { ingressVersion } from '../wire/ingress-version.ts'
import { IngressDrains, type DrainCounts, type DrainSubject } from './ingress-drains.ts'
import { IngressLink } from './ingress-link.ts'
import { spawnIngress, type IngressProcess, type IngressSettings } from './ingress-process.ts'

export interface IngressSupervisorOptions extends IngressSettings {
  readonly log: Log
  readonly clock: Clock
  /** An ingress of another version is replaced. */
  readonly version?: string
}

/** Exit codes and signals of an ingress that somebody told to end. */
const orderlyEnds: readonly (number | string | null)[] = [0, 'SIGTERM', 'SIGINT']

const startLimitMs = 15_000
/** For an old ingress to close its listeners. */
const retireLimitMs = 3000
const connectRetryMs = 25
const firstRestartMs = 100
const longestRestartMs = 5000
/** A little more than an ingress takes to end when its connections do not. */
const stopLimitMs = 12_000

/**
 * The daemon's hold on its ingress process: finds the one that runs or starts one, tells it what
 * this node knows, and starts another when it dies. What was told last is told again to every new
 * one.
 */
export class IngressSupervisor {
  readonly #options: IngressSupervisorOptions
  readonly #log: Log
  #link: IngressLink | null = null
  #process: IngressProcess | null = null
  #identity: TunnelIdentity | null = null
  #table: RouteTable | null = null
  readonly #drains: IngressDrains
  readonly #peerListeners: ((node: NodeId, answers: boolean) => void)[] = []
  readonly #conflictListeners: ((ports: readonly string[]) => void)[] = []
  readonly #readyListeners: (() => void)[] = []
  readonly #stopListeners: (() => void)[] = []
  readonly #peerStatus = new Map<NodeId, boolean>()
  #conflicts: readonly string[] = []
  #counts: IngressCounts = { ports: [], tasks: [], http: [], httpTasks: [], peers: [] }
  #places: readonly PlaceState[] = []
  #appliedVersion = 0
  #restarts = 0
  #wasRunning = false
  #isStopping = false
  #ended = Promise.withResolvers<void>()

  private constructor(options: IngressSupervisorOptions) {
    this.#options = options
    this.#log = options.log
    this.#drains = new IngressDrains(options.clock)
  }

  /** Resolves once an ingress is ready; rejects with `ingress/not-started`. */
  static async start(options: IngressSupervisorOptions): Promise<IngressSupervisor> {
    const supervisor = new IngressSupervisor(options)
    supervisor.#wasRunning = await supervisor.#adopt()
    if (!supervisor.#wasRunning) await supervisor.#spawn()
    return supervisor
  }

  /** It had outlived an earlier daemon, and serves with that one's table. */
  get wasRunning(): boolean {
    return this.#wasRunning
  }

  /** The last table that every worker of the ingress follows. */
  get appliedVersion(): number {
    return this.#appliedVersion
  }

  get portConflicts(): readonly string[] {
    return this.#conflicts
  }

  /** As of the last second. */
  get counts(): IngressCounts {
    return this.#counts
  }

  /** Where it listens or would like to, as of the last second; empty while there is none. */
  get places(): readonly PlaceState[] {
    return this.#link === null ? [] : this.#places
  }

  get table(): RouteTable | null {
    return this.#table
  }

  get drains(): DrainCounts {
    return this.#drains.counts
  }

  get pid(): number | null {
    return this.#link?.pid ?? null
  }

  setIdentity(identity: NodeIdentity): void {
    const { libp2pPrivateKey: _, ...needed } = identity
    this.#identity = needed
    this.#link?.send({ kind: 'identity', identity: needed })
  }

  setRoutes(table: RouteTable): void {
    this.#table = table
    const peers = new Set(table.peers.map((peer) => peer.node))
    for (const node of this.#peerStatus.keys()) {
      if (!peers.has(node)) this.#peerStatus.delete(node)
    }
    this.#link?.sendRoutes(table)
  }

  /**
   * Refuses new connections to a task of this node; resolves when no node sends it any and none is
   * open any more, or after `deadlineMs` all the same.
   */
  drained(subject: DrainSubject, deadlineMs: number): Promise<void> {
    // Without an ingress there are no connections either.
    if (this.#link === null) return Promise.resolve()
    this.#link.send({ kind: 'drain', task: subject.task })
    return this.#drains.begin(subject, deadlineMs)
  }

  /** Whether a peer's data path answers: what is known now, then every change. */
  onPeerStatus(listener: (node: NodeId, answers: boolean) => void): void {
    this.#peerListeners.push(listener)
    for (const [node, answers] of this.#peerStatus) listener(node, answers)
  }

  /** All ports (`80`, `53/udp`) that this node should listen on and cannot, whenever they change. */
  onPortConflicts(listener: (ports: readonly string[]) => void): void {
    this.#conflictListeners.push(listener)
  }

  /** An ingress, the first or a new one, is there. */
  onReady(listener: () => void): void {
    this.#readyListeners.push(listener)
  }

  /** Somebody told the ingress to end, and meant the node. */
  onStopRequested(listener: () => void): void {
    this.#stopListeners.push(listener)
  }

  /** Accepts nothing more; the ingress ends by itself once what is open in it has. */
  finish(): void {
    this.#isStopping = true
    this.#link?.send({ kind: 'shutdown', graceful: true })
  }

  /** With `leaveRunning` the ingress goes on without a daemon, for the next one to adopt. */
  async stop(given: { readonly leaveRunning: boolean }): Promise<void> {
    this.#drains.endAll()
    const link = this.#link
    if (given.leaveRunning || link === null) {
      this.#isStopping = true
      link?.close()
      if (!given.leaveRunning) this.#process?.kill()
      this.#process?.leave()
      return
    }
    this.finish()
    const cancel = this.#options.clock.after(stopLimitMs, () => this.#giveUp(link))
    await this.#ended.promise
    cancel()
  }

  async #adopt(): Promise<boolean> {
    const link = await this.#connect()
    if (link === null) return false
    if (link.version === this.#version) {
      this.#log.info({ pid: link.pid }, 'took over the ingress that was running')
      this.#use(link)
      return true
    }
    const facts = { pid: link.pid, running: link.version, ours: this.#version }
    this.#log.info(facts, 'the running ingress is of another version; replacing it')
    await link.retire(this.#options.clock, retireLimitMs)
    return false
  }

  get #version(): string {
    return this.#options.version ?? ingressVersion
  }

  async #spawn(): Promise<void> {
    const { clock } = this.#options
    const child = spawnIngress(this.#options)
    this.#process = child
    const deadlineMs = clock.monotonicMs() + startLimitMs
    while (clock.monotonicMs() < deadlineMs && !child.hasEnded) {
      const link = await this.#connect()
      if (link !== null) {
        this.#use(link)
        return
      }
      await new Promise<void>((resolve) => void clock.after(connectRetryMs, resolve))
    }
    child.kill()
    throw new MeshError({ code: 'ingress/not-started', exit: child.exit })
  }

  #connect(): Promise<IngressLink | null> {
    return IngressLink.connect(this.#options.dataDir, this.#version, this.#options.clock)
  }

  #use(link: IngressLink): void {
    this.#link = link
    this.#appliedVersion = 0
    link.listen({
      onMessage: (message) => this.#receive(message),
      onClosed: (because) => this.#lost(link, because),
    })
    if (this.#identity !== null) link.send({ kind: 'identity', identity: this.#identity })
    if (this.#table !== null) link.sendRoutes(this.#table)
    for (const task of this.#drains.tasks) link.send({ kind: 'drain', task })
    for (const listener of this.#readyListeners) listener()
  }

  #receive(message: FromIngress): void {
    switch (message.kind) {
      case 'ready':
        return
      case 'applied':
        this.#appliedVersion = message.version
        this.#restarts = 0
        return
      case 'port-conflicts':
        this.#conflicts = message.ports
        for (const listener of this.#conflictListeners) listener(message.ports)
        return
      case 'places':
        this.#places = message.places
        return
      case 'peer-status':
        return this.#peerAnswers(message.node, message.answers)
      case 'open-connections':
        return this.#drains.openConnections(message.task, message.open)
      case 'counters':
        this.#counts = message.counts
        return
      case 'stopping':
        return this.#stopping()
      case 'warning':
        // The ingress has logged it itself, on the same standard error.
        return
      default:
        return unreachable(message)
    }
  }

  #peerAnswers(node: NodeId, answers: boolean): void {
    this.#peerStatus.set(node, answers)
    for (const listener of this.#peerListeners) listener(node, answers)
  }

  #stopping(): void {
    if (this.#isStopping) return
    this.#isStopping = true
    for (const listener of this.#stopListeners) listener()
  }

  #lost(link: IngressLink, because: string): void {
    if (this.#link !== link) return
    this.#link = null
    // Its connections went with it: nothing is left to drain.
    this.#drains.endAll()
    if (this.#isStopping) {
      this.#ended.resolve()
      return
    }
    this.#log.error({ because, pid: link.pid }, 'the ingress is gone; starting another')
    this.#planRestart()
  }

  #planRestart(): void {
    const delayMs = Math.min(firstRestartMs * 2 ** this.#restarts, longestRestartMs)
    this.#restarts += 1
    this.#options.clock.after(delayMs, () => {
      if (this.#isStopping) return
      // Its last word was lost, or a signal came before it could hear one: the node was meant.
      if (orderlyEnds.includes(this.#process?.exit ?? null)) return this.#stopping()
      void this.#restart()
    })
  }

  async #restart(): Promise<void> {
    try {
      // It may live and only have lost the connection.
      if (!(await this.#adopt())) await this.#spawn()
    } catch (error) {
      this.#log.error({ error: String(error) }, 'the ingress did not start')
      if (!this.#isStopping) this.#planRestart()
    }
    if (this.#isStopping) this.#link?.send({ kind: 'shutdown', graceful: true })
  }

  #giveUp(link: IngressLink): void {
    this.#log.warn({ pid: link.pid }, 'the ingress did not end in time; killing it')
    link.kill()
    this.#ended.resolve()
  }
}
