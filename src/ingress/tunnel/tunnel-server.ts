import type { Clock } from '../../../mesh/base/clock.ts'
import type { NodeId } from '../../../mesh/base/ids.ts'
import type { PeerIdentity } from '../../../mesh/identity/peer-identity.ts'
import type { CancelDial, DialRequest, TaskDialer } from '../dial-task.ts'
import type { DialHandler, End, EndHandler } from '../end.ts'
import { Junction } from '../junction.ts'
import type { CloseCause, Loop, Slab } from '../loop.ts'
import type { Routes } from '../routes.ts'
import type { ChannelAcceptor, ChannelHandler, SecureChannel } from './secure-channel.ts'
import type { PeerBook, TrafficBook } from '../counts/traffic.ts'
import { Tunnel, type TunnelLimits } from './tunnel.ts'
import type { TunnelStream } from './tunnel-stream.ts'
import { offerFlow } from '../udp/offered-flow.ts'
import type { TunnelFlow } from '../udp/tunnel-flow.ts'

export interface TunnelServerDeps {
  readonly loop: Loop
  readonly clock: Clock
  readonly routes: Routes
  readonly dialer: TaskDialer
  /** Of the tasks of this node. */
  readonly traffic: TrafficBook
  readonly peers: PeerBook
  readonly limits?: TunnelLimits
  onListening(): void
  onListenFailed(code: string): void
  onRefused(remote: string, because: string): void
}

/** A dialler pings every second: one that has been silent for this long is gone. */
const silenceLimitMs = 10_000
/** The same of one that membership calls dead. */
const deadSilenceLimitMs = 2500
const sweepMs = 500
/** All its connections together: a descriptor each, on the side of the tasks. */
const streamsPerPeer = 16_384
/** A peer's node waits for a task, however long: the entry gives up before. */
const longestConnectMs = 120_000
/** Two for each of its workers is what a peer needs; more is somebody gone astray. */
const tunnelsPerPeer = 256

interface Entry {
  readonly peer: NodeId
  /** When its certificate ends: a connection may live longer, but gets nothing new. */
  readonly notAfterMs: number
  readonly tunnel: Tunnel
  lastPingMs: number
  /** Tasks that it was asked to send nothing more, and has not answered yet. */
  readonly undropped: Set<string>
}

/** The data path's own end: peers that dial this node, and the tasks that they reach through it. */
export class TunnelServer implements ChannelAcceptor {
  readonly #deps: TunnelServerDeps
  readonly #entries = new Set<Entry>()
  readonly #endSweep: () => void
  #isFinishing = false

  constructor(deps: TunnelServerDeps) {
    this.#deps = deps
    this.#endSweep = deps.clock.every(sweepMs, () => this.#sweep())
  }

  get openStreams(): number {
    let open = 0
    for (const entry of this.#entries) open += entry.tunnel.openStreams
    return open
  }

  onListening(): void {
    this.#deps.onListening()
  }

  onListenFailed(code: string): void {
    this.#deps.onListenFailed(code)
  }

  onRefused(remote: string, because: string): void {
    this.#deps.onRefused(remote, because)
  }

  onAccept(channel: SecureChannel, peer: PeerIdentity): ChannelHandler | null {
    const because = this.#refuses(peer.nodeId)
    if (because !== null) {
      this.#deps.onRefused(peer.nodeId, because)
      return null
    }
    const { loop, clock, limits, peers } = this.#deps
    const traffic = peers.of(peer.nodeId)
    const tunnel = new Tunnel(
      { loop, channel, isDialler: false, traffic, ...(limits === undefined ? {} : { limits }) },
      {
        onOffer: (request, stream) => this.#offered(entry, request, stream),
        onOfferFlow: (request, flow) => this.#offeredFlow(entry, request, flow),
        onPing: () => {
          entry.lastPingMs = clock.monotonicMs()
        },
        onPong: () => {},
        onDrain: () => {},
        onDropped: (task) => entry.undropped.delete(task),
        onGone: (reason, isViolation) => {
          this.#entries.delete(entry)
          if (isViolation) this.#deps.onRefused(peer.nodeId, reason)
        },
      },
    )
    const entry: Entry = {
      peer: peer.nodeId,
      notAfterMs: peer.notAfterMs,
      tunnel,
      lastPingMs: clock.monotonicMs(),
      undropped: new Set(),
    }
    this.#entries.add(entry)
    return {
      onOpen: () => {},
      onBytes: (bytes) => tunnel.receive(bytes),
      onWritten: () => tunnel.written(),
      onClosed: (reason) => tunnel.lost(reason),
    }
  }

  /** A certificate is valid until it ends; whether its node still belongs here, the table says. */
  recheckPeers(): void {
    for (const { peer, tunnel } of this.#entries) {
      if (this.#deps.routes.isPeer(peer)) continue
      this.#deps.onRefused(peer, 'the node is no member any more')
      tunnel.destroy('the node is no member any more')
    }
  }

  /** Asks whoever dials this thread to send a task nothing more; until they obey they hear GONE. */
  drain(task: string): void {
    for (const { tunnel, undropped } of this.#entries) {
      undropped.add(task)
      tunnel.drain(task)
    }
  }

  /** All who were asked, and are still there, have answered. */
  isDropped(task: string): boolean {
    for (const { undropped } of this.#entries) if (undropped.has(task)) return false
    return true
  }

  /** Open streams live on; new ones are told to go elsewhere. */
  finish(): void {
    this.#isFinishing = true
  }

  destroyAll(): void {
    this.#endSweep()
    for (const { tunnel } of this.#entries) tunnel.destroy('the ingress ends')
  }

  #refuses(peer: NodeId): string | null {
    if (this.#isFinishing) return 'this ingress ends'
    if (!this.#deps.routes.isPeer(peer)) return 'the node is no member of this cluster'
    const already = [...this.#entries].filter((entry) => entry.peer === peer).length
    return already >= tunnelsPerPeer ? 'too many connections of one node' : null
  }

  /** Null when an OPEN of this peer is welcome; else how to answer it. */
  #unwelcome({ peer, notAfterMs }: Entry): 'refuse' | 'reset' | null {
    if (this.#isFinishing || this.#deps.clock.nowMs() > notAfterMs) return 'refuse'
    let open = 0
    for (const entry of this.#entries) if (entry.peer === peer) open += entry.tunnel.openStreams
    return open > streamsPerPeer ? 'reset' : null
  }

  #offered(entry: Entry, request: DialRequest, stream: TunnelStream): void {
    const unwelcome = this.#unwelcome(entry)
    if (unwelcome === 'refuse') stream.refuse()
    else if (unwelcome === 'reset') stream.reset()
    else {
      const patient = { ...request, connectTimeoutMs: longestConnectMs }
      new OfferedStream(stream, this.#deps.dialer).start(patient)
    }
  }

  #offeredFlow(entry: Entry, request: DialRequest, flow: TunnelFlow): void {
    if (this.#unwelcome(entry) === 'refuse') flow.refuse()
    else offerFlow(flow, request, { dialer: this.#deps.dialer, traffic: this.#deps.traffic })
  }

  #sweep(): void {
    const { clock, routes } = this.#deps
    const nowMs = clock.monotonicMs()
    for (const { peer, tunnel, lastPingMs } of this.#entries) {
      const isDead = routes.isPeerDead(peer)
      const limitMs = isDead ? deadSilenceLimitMs : silenceLimitMs
      if (nowMs - lastPingMs <= limitMs) continue
      this.#deps.onRefused(peer, isDead ? 'silent, and dead' : 'silent')
      tunnel.destroy('the peer is silent')
    }
  }
}

/** One OPEN of a peer: dials the task, then joins it with the stream. */
class OfferedStream implements EndHandler, DialHandler {
  readonly #stream: TunnelStream
  readonly #dialer: TaskDialer
  #cancelDial: CancelDial = () => {}

  constructor(stream: TunnelStream, dialer: TaskDialer) {
    this.#stream = stream
    this.#dialer = dialer
  }

  start(request: DialRequest): void {
    this.#stream.setHandler(this)
    this.#cancelDial = this.#dialer.dial(request, this)
  }

  onOpen(task: End): void {
    this.#stream.accept()
    new Junction({ left: this.#stream, right: task }, { onFinished: () => {} }).start()
  }

  onFailed(failure: { readonly kind: 'gone' | 'failed' }): void {
    if (failure.kind === 'gone') this.#stream.refuse()
    else this.#stream.reset()
  }

  /** The peer has given up before the task answered. */
  onClosed(_end: End, _cause: CloseCause): void {
    this.#cancelDial()
  }

  /** Data before READY breaks the rules: the tunnel never lets it through. */
  onReceive(_end: End, _slab: Slab): void {}

  onEnd(): void {}

  onDrained(): void {}
}
