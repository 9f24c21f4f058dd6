import type { Clock } from '../../mesh/base/clock.ts'
import { unreachable } from '../../mesh/base/assert.ts'
import type { NodeId } from '../../mesh/base/ids.ts'
import type { Log } from '../../mesh/base/log.ts'
import type { RouteTable } from '../routing/route-table.ts'
import type { IngressCounts } from '../wire/ingress-counts.ts'
import type { Facts, TunnelIdentity } from '../wire/ingress-message.ts'
import type { AccessBatch } from './http/access-log.ts'
import type { Place } from './place.ts'
import { Tally } from './counts/tally.ts'
import type { FromWorker, ToWorker } from './worker-message.ts'

/** A thread that runs a plane, as the crew sees it. */
export interface WorkerHandle {
  post(message: ToWorker): void
  terminate(): void
}

export interface WorkerEvents {
  onMessage(message: FromWorker): void
  onGone(because: string): void
}

export interface CrewOptions {
  readonly size: number
  readonly clock: Clock
  readonly log: Log
  readonly spawn: (events: WorkerEvents) => WorkerHandle
  readonly listener: CrewListener
}

export interface CrewListener {
  /** By all workers. */
  onApplied(version: number): void
  onListenFailed(place: Place, code: string): void
  onPeerStatus(node: NodeId, answers: boolean): void
  onOpenConnections(task: string, open: number): void
  /** Resolves once they are written: until then the thread keeps the next ones to itself. */
  onAccess(batch: AccessBatch): Promise<void>
  onWarning(message: string, facts: Facts): void
  onFinished(): void
}

interface Member {
  handle: WorkerHandle
  applied: number
  hasFinished: boolean
  /** What it says of each peer, and of each draining task. */
  readonly answers: Map<NodeId, boolean>
  readonly open: Map<string, number>
  bornAtMs: number
  deaths: number
}

const firstRespawnMs = 50
const longestRespawnMs = 5000
const goodLifeMs = 60_000

/** The worker threads as one: what is said to one is said to all, also to those that come later. */
export class Crew {
  readonly #options: CrewOptions
  readonly #members: Member[] = []
  readonly #tally = new Tally()
  #identity: TunnelIdentity | null = null
  #table: RouteTable | null = null
  #ports: Extract<ToWorker, { kind: 'ports' }> = { kind: 'ports', places: [], dataPath: false }
  readonly #draining = new Set<string>()
  readonly #peerStatus = new Map<NodeId, boolean>()
  #isFinishing = false
  #appliedByAll = 0

  constructor(options: CrewOptions) {
    this.#options = options
    for (let at = 0; at < options.size; at++) this.#members.push(this.#hire())
  }

  /** The last version that every worker follows; 0 before the first. */
  get applied(): number {
    return this.#appliedByAll
  }

  get peerStatus(): ReadonlyMap<NodeId, boolean> {
    return this.#peerStatus
  }

  get hasFinished(): boolean {
    return this.#members.every((member) => member.hasFinished)
  }

  setIdentity(identity: TunnelIdentity): void {
    this.#identity = identity
    this.#tellAll({ kind: 'identity', identity })
  }

  setRoutes(table: RouteTable): void {
    this.#table = table
    const tasks = new Set(table.localTasks.map((task) => task.task))
    for (const task of this.#draining) {
      if (!tasks.has(task) && this.#openOf(task) === 0) this.#draining.delete(task)
    }
    const peers = new Set(table.peers.map((peer) => peer.node))
    for (const node of this.#peerStatus.keys()) {
      if (!peers.has(node)) this.#peerStatus.delete(node)
    }
    this.#tellAll({ kind: 'routes', table })
  }

  setPlaces(places: readonly Place[], hasDataPath: boolean): void {
    this.#ports = { kind: 'ports', places, dataPath: hasDataPath }
    this.#tellAll(this.#ports)
  }

  drain(task: string): void {
    this.#draining.add(task)
    for (const member of this.#members) member.open.delete(task)
    this.#tellAll({ kind: 'drain', task })
  }

  finish(): void {
    this.#isFinishing = true
    this.#tellAll({ kind: 'finish' })
  }

  terminate(): void {
    this.#isFinishing = true
    for (const member of this.#members) member.handle.terminate()
  }

  counts(): IngressCounts {
    return this.#tally.sum()
  }

  #hire(): Member {
    const { clock } = this.#options
    const member: Member = {
      handle: absent,
      applied: 0,
      hasFinished: false,
      answers: new Map(),
      open: new Map(),
      bornAtMs: clock.monotonicMs(),
      deaths: 0,
    }
    this.#start(member)
    return member
  }

  #start(member: Member): void {
    member.bornAtMs = this.#options.clock.monotonicMs()
    member.handle = this.#options.spawn({
      onMessage: (message) => this.#receive(member, message),
      onGone: (because) => this.#replace(member, because),
    })
    if (this.#identity !== null) member.handle.post({ kind: 'identity', identity: this.#identity })
    if (this.#table !== null) member.handle.post({ kind: 'routes', table: this.#table })
    for (const task of this.#draining) member.handle.post({ kind: 'drain', task })
    member.handle.post(this.#ports)
  }

  /** Its descriptors went with it; the other workers' listeners carry on meanwhile. */
  #replace(member: Member, because: string): void {
    const { clock, log } = this.#options
    const lifeMs = clock.monotonicMs() - member.bornAtMs
    member.deaths = lifeMs > goodLifeMs ? 1 : member.deaths + 1
    member.handle = absent
    member.answers.clear()
    this.#tally.retire(member)
    for (const task of member.open.keys()) member.open.set(task, 0)
    for (const node of this.#peerStatus.keys()) this.#tellPeerStatus(node)
    for (const task of this.#draining) this.#tellOpen(task)
    if (this.#isFinishing) {
      this.#hasFinished(member)
      return
    }
    log.error({ because, lifeMs: Math.round(lifeMs) }, 'a worker of the ingress died; replacing it')
    const delayMs = Math.min(firstRespawnMs * 2 ** (member.deaths - 1), longestRespawnMs)
    clock.after(delayMs, () => {
      if (!this.#isFinishing) this.#start(member)
    })
  }

  #receive(member: Member, message: FromWorker): void {
    const { listener } = this.#options
    switch (message.kind) {
      case 'applied':
        member.applied = message.version
        return this.#tellApplied()
      case 'listen-failed':
        return listener.onListenFailed(message.place, message.code)
      case 'peer-status':
        member.answers.set(message.node, message.answers)
        return this.#tellPeerStatus(message.node)
      case 'open-connections':
        member.open.set(message.task, message.open)
        return this.#tellOpen(message.task)
      case 'counters':
        return this.#tally.report(member, message.counts)
      case 'access':
        return void this.#writeAccess(member, message.batch)
      case 'warning':
        return listener.onWarning(message.message, message.facts)
      case 'finished':
        return this.#hasFinished(member)
      default:
        return unreachable(message)
    }
  }

  async #writeAccess(member: Member, batch: AccessBatch): Promise<void> {
    await this.#options.listener.onAccess(batch)
    member.handle.post({ kind: 'access-taken' })
  }

  #hasFinished(member: Member): void {
    member.hasFinished = true
    if (this.hasFinished) this.#options.listener.onFinished()
  }

  #tellApplied(): void {
    const version = Math.min(...this.#members.map((member) => member.applied))
    if (version <= this.#appliedByAll) return
    this.#appliedByAll = version
    this.#options.listener.onApplied(version)
  }

  /** A peer answers when it answers any of us. */
  #tellPeerStatus(node: NodeId): void {
    const said = this.#members.map((member) => member.answers.get(node))
    const answers = said.includes(true)
    if (said.every((each) => each === undefined)) return
    if (this.#peerStatus.get(node) === answers) return
    this.#peerStatus.set(node, answers)
    this.#options.listener.onPeerStatus(node, answers)
  }

  /** Only once everybody has answered: half a sum would say "drained" too early. */
  #tellOpen(task: string): void {
    if (this.#members.some((member) => !member.open.has(task))) return
    this.#options.listener.onOpenConnections(task, this.#openOf(task))
  }

  #openOf(task: string): number {
    return this.#members.reduce((sum, member) => sum + (member.open.get(task) ?? 0), 0)
  }

  #tellAll(message: ToWorker): void {
    for (const member of this.#members) member.handle.post(message)
  }
}

/** Between a death and its replacement: the replacement is told everything when it starts. */
const absent: WorkerHandle = { post: () => {}, terminate: () => {} }
