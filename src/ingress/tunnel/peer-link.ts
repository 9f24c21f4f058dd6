import type { Clock } from '../../../mesh/base/clock.ts'
import type { NodeId } from '../../../mesh/base/ids.ts'
import type { Random } from '../../../mesh/base/random.ts'
import type { CancelDial, DialRequest } from '../dial-task.ts'
import type { DialHandler } from '../end.ts'
import type { Address, Loop } from '../loop.ts'
import type { SecureChannel, SecureChannels } from './secure-channel.ts'
import type { PeerBook, PeerTraffic } from '../counts/traffic.ts'
import { Tunnel } from './tunnel.ts'
import type { FlowDialHandler } from '../udp/flow-end.ts'

export interface PeerLinkDeps {
  readonly loop: Loop
  readonly clock: Clock
  readonly random: Random
  readonly channels: SecureChannels
  readonly peers: PeerBook
  /** Whether the peer's data path answers; told when it changes. */
  onStatus(node: NodeId, answers: boolean): void
  /** There was no way to the peer, and now there is. */
  onReachable(): void
  /** One of the peer's own tasks is to get no more connections. */
  onDrain(node: NodeId, task: string): void
  onRefused(node: NodeId, because: string): void
}

const pingPeriodMs = 1000
/** Silent for longer it has lost its open streams; when membership calls it dead, without delay. */
const deadAfterMs = 10_000
const tunnelsPerPeer = 2
/** A connection that carries this much is helped by a second one. */
const busyStreams = 16
const busyBytes = 64 * 1024
const firstRedialMs = 200
const longestRedialMs = 3000
/** Before numbers of streams could run out. */
const renewAfterMs = 12 * 3_600_000
/** Of what the peer's certificate has left: time enough to try again. */
const renewAtShare = 0.8

interface Line {
  tunnel: Tunnel | null
  channel: SecureChannel | null
  /** Since when a PING waits for its PONG; null when none does. */
  pingedAtMs: number | null
  /** The last PING was answered in time. */
  answers: boolean
  pings: number
  /** By the wall clock: when a successor is due, and when the peer's certificate ends. */
  renewAtMs: number
  notAfterMs: number
  /** Serves until its successor does. */
  isOld: boolean
}

/** The way to one peer: up to two tunnels, redialled for ever, and whether the other side answers. */
export class PeerLink {
  readonly #node: NodeId
  readonly #address: Address
  readonly #deps: PeerLinkDeps
  readonly #traffic: PeerTraffic
  readonly #lines = new Set<Line>()
  /** Take no new streams; end with their last one. */
  readonly #retiring = new Set<Line>()
  #failures = 0
  #isRedialPlanned = false
  #cancelRedial = (): void => {}
  readonly #endPings: () => void
  #told: boolean | null = null
  #isDead = false
  #isStopped = false

  constructor(peer: { readonly node: NodeId; readonly address: Address }, deps: PeerLinkDeps) {
    this.#node = peer.node
    this.#address = peer.address
    this.#deps = deps
    this.#traffic = deps.peers.of(peer.node)
    // A PONG may wait behind a turn that took long: it is read before anyone is judged.
    this.#endPings = deps.clock.every(pingPeriodMs, () => {
      deps.loop.atTurnEnd(() => this.#beat())
    })
    this.#connect()
  }

  get isReachable(): boolean {
    for (const line of this.#lines) if (this.#isUsable(line)) return true
    return false
  }

  /** What membership says of the peer. */
  setDead(isDead: boolean): void {
    this.#isDead = isDead
    if (isDead) for (const line of [...this.#lines, ...this.#retiring]) this.#giveUpDead(line)
  }

  /** On the least queued connection; null while none can take a stream. */
  dial(request: DialRequest, handler: DialHandler): CancelDial | null {
    const best = this.#leastQueued((tunnel) => tunnel.hasRoom)
    if (best === undefined) return null
    const isBusy = best.openStreams >= busyStreams || best.queuedBytes >= busyBytes
    if (isBusy && this.#freshLines().length < tunnelsPerPeer) this.#connect()
    return best.dial(request, handler)
  }

  /** Likewise. */
  dialFlow(request: DialRequest, handler: FlowDialHandler): CancelDial | null {
    const best = this.#leastQueued((tunnel) => tunnel.hasRoomForFlow)
    return best?.dialFlow(request, handler) ?? null
  }

  /** A new connection replaces the present ones, which end with their last stream. */
  renew(): void {
    for (const line of this.#lines) line.isOld = true
    this.#connect()
  }

  stop(): void {
    this.#isStopped = true
    this.#endPings()
    this.#cancelRedial()
    for (const line of [...this.#lines, ...this.#retiring]) {
      if (line.tunnel === null) line.channel?.destroy()
      else line.tunnel.destroy('the peer is no member any more')
    }
    this.#lines.clear()
    this.#retiring.clear()
  }

  #connect(): void {
    const { loop, channels, clock } = this.#deps
    const nowMs = clock.nowMs()
    const line: Line = {
      tunnel: null,
      channel: null,
      pingedAtMs: null,
      answers: false,
      pings: 0,
      renewAtMs: nowMs + renewAfterMs,
      notAfterMs: Number.POSITIVE_INFINITY,
      isOld: false,
    }
    this.#lines.add(line)
    const channel = channels.connect(this.#address, this.#node, {
      onOpen: ({ notAfterMs }) => {
        const leftMs = notAfterMs - clock.nowMs()
        line.notAfterMs = notAfterMs
        const dueMs = clock.nowMs() + Math.max(renewAtShare * leftMs, pingPeriodMs)
        line.renewAtMs = Math.min(line.renewAtMs, dueMs)
        line.tunnel = new Tunnel(
          { loop, channel, isDialler: true, traffic: this.#traffic },
          {
            onOffer: () => {},
            onOfferFlow: () => {},
            onPing: () => {},
            onPong: (count) => this.#ponged(line, count),
            onDrain: (task) => this.#deps.onDrain(this.#node, task),
            onDropped: () => {},
            onGone: (because) => this.#lost(line, because),
          },
        )
        this.#ping(line)
      },
      onBytes: (bytes) => line.tunnel?.receive(bytes),
      onWritten: () => line.tunnel?.written(),
      onClosed: (because) => {
        if (line.tunnel === null) this.#lost(line, because)
        else line.tunnel.lost(because)
      },
    })
    line.channel = channel
  }

  #lost(line: Line, because: string): void {
    this.#retiring.delete(line)
    if (!this.#lines.delete(line) || this.#isStopped) return
    this.#deps.onRefused(this.#node, because)
    if (this.#freshLines().length > 0) {
      this.#tell()
      return
    }
    this.#failures += 1
    // The first loss may be a restart: only a redial that fails as well says that nobody answers.
    if (this.#failures > 1) this.#tell()
    this.#planRedial()
  }

  #planRedial(): void {
    if (this.#isRedialPlanned) return
    this.#isRedialPlanned = true
    const { clock, random } = this.#deps
    const backOffMs = Math.min(firstRedialMs * 2 ** (this.#failures - 2), longestRedialMs)
    const delayMs = this.#failures === 1 ? 0 : backOffMs / 2 + random.below(backOffMs / 2)
    this.#cancelRedial = clock.after(delayMs, () => {
      this.#isRedialPlanned = false
      if (this.#freshLines().length === 0) this.#connect()
    })
  }

  #beat(): void {
    if (this.#isStopped) return
    const nowMs = this.#deps.clock.monotonicMs()
    for (const line of [...this.#lines, ...this.#retiring]) {
      if (line.tunnel === null) continue
      const silentMs = line.pingedAtMs === null ? 0 : nowMs - line.pingedAtMs
      // Timers are not exact: half a period of grace keeps a busy moment from looking like a death.
      if (silentMs >= pingPeriodMs / 2) this.#missed(line)
      if (line.pingedAtMs === null) this.#ping(line)
      if (silentMs >= deadAfterMs) line.tunnel.destroy('no answer to PING')
      if (this.#isDead) this.#giveUpDead(line)
    }
    for (const line of this.#retiring) this.#endWhenIdle(line)
    const dueMs = this.#deps.clock.nowMs()
    if (this.#freshLines().some((line) => dueMs >= line.renewAtMs)) this.renew()
    if ([...this.#lines].some((line) => line.tunnel !== null)) this.#tell()
  }

  #missed(line: Line): void {
    if (line.answers) this.#traffic.latePings += 1
    line.answers = false
  }

  /** Silent by both accounts: nobody need wait for the streams in it. */
  #giveUpDead(line: Line): void {
    if (line.answers || line.pingedAtMs === null) return
    line.tunnel?.destroy('no answer to PING, and dead')
  }

  #leastQueued(hasRoom: (tunnel: Tunnel) => boolean): Tunnel | undefined {
    return [...this.#lines]
      .filter((line) => this.#isUsable(line))
      .flatMap(({ tunnel }) => (tunnel !== null && hasRoom(tunnel) ? [tunnel] : []))
      .sort(byQueue)[0]
  }

  #isUsable({ tunnel, answers, notAfterMs }: Line): boolean {
    return tunnel?.hasRoom === true && answers && this.#deps.clock.nowMs() < notAfterMs
  }

  #ping(line: Line): void {
    line.pings = (line.pings + 1) >>> 0
    this.#traffic.pings += 1
    line.pingedAtMs = this.#deps.clock.monotonicMs()
    line.tunnel?.ping(line.pings)
  }

  #ponged(line: Line, count: number): void {
    if (count !== line.pings) return
    const wasReachable = this.isReachable
    line.pingedAtMs = null
    line.answers = true
    this.#failures = 0
    if (!line.isOld) this.#retireOld()
    this.#tell()
    if (!wasReachable && this.isReachable) this.#deps.onReachable()
  }

  /** Only now that a new connection has answered: nobody waits for a handshake in between. */
  #retireOld(): void {
    for (const line of this.#lines) {
      if (!line.isOld) continue
      this.#lines.delete(line)
      this.#retiring.add(line)
      this.#endWhenIdle(line)
    }
  }

  #freshLines(): Line[] {
    return [...this.#lines].filter((line) => !line.isOld)
  }

  #endWhenIdle(line: Line): void {
    if (line.tunnel !== null && line.tunnel.openStreams + line.tunnel.openFlows > 0) return
    this.#retiring.delete(line)
    if (line.tunnel === null) line.channel?.destroy()
    else line.tunnel.destroy('replaced')
  }

  #tell(): void {
    const answers = this.isReachable
    if (answers === this.#told) return
    this.#told = answers
    this.#deps.onStatus(this.#node, answers)
  }
}

function byQueue(left: Tunnel, right: Tunnel): number {
  return left.queuedBytes - right.queuedBytes || left.openStreams - right.openStreams
}
