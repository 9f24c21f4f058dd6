import type { Clock } from '../../mesh/base/clock.ts'
import type { NodeId } from '../../mesh/base/ids.ts'
import type { PeerIdentity } from '../../mesh/identity/peer-identity.ts'
import type { CancelDial, DialRequest, TaskDialer } from './dial-task.ts'
import type { DialHandler, End, EndHandler } from './end.ts'
import { Junction } from './junction.ts'
import type { CloseCause, Loop, Slab } from './loop.ts'
import type { Routes } from './routes.ts'
import type { ChannelAcceptor, ChannelHandler, SecureChannel } from './secure-channel.ts'
import { Tunnel, type TunnelLimits } from './tunnel.ts'
import type { TunnelStream } from './tunnel-stream.ts'

export interface TunnelServerDeps {
  readonly loop: Loop
  readonly clock: Clock
  readonly routes: Routes
  readonly dialer: TaskDialer
  readonly limits?: TunnelLimits
  onListening(): void
  onListenFailed(code: string): void
  onRefused(remote: string, because: string): void
}

/** A dialler pings every second: one that has been silent for this long is gone. */
const silenceLimitMs = 30_000
const sweepMs = 5000
/** Two for each of its workers is what a peer needs; more is somebody gone astray. */
const tunnelsPerPeer = 256

interface Entry {
  readonly peer: NodeId
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
    const { loop, clock, limits } = this.#deps
    const tunnel = new Tunnel(
      { loop, channel, isDialler: false, ...(limits === undefined ? {} : { limits }) },
      {
        onOffer: (request, stream) => this.#offered(request, stream),
        onPing: () => {
          entry.lastPingMs = clock.monotonicMs()
        },
        onPong: () => {},
        onDrain: () => {},
        onDropped: (task) => entry.undropped.delete(task),
        onGone: () => this.#entries.delete(entry),
      },
    )
    const entry: Entry = {
      peer: peer.nodeId,
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

  #offered(request: DialRequest, stream: TunnelStream): void {
    if (this.#isFinishing) stream.refuse()
    else new OfferedStream(stream, this.#deps.dialer).start(request)
  }

  #sweep(): void {
    const nowMs = this.#deps.clock.monotonicMs()
    for (const { tunnel, lastPingMs } of this.#entries) {
      if (nowMs - lastPingMs > silenceLimitMs) tunnel.destroy('the peer is silent')
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
