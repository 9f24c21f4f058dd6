import type { NodeId } from '../../../mesh/base/ids.ts'
import type { PeerIdentity } from '../../../mesh/identity/peer-identity.ts'
import type { TunnelIdentity } from '../../wire/ingress-message.ts'
import type { Address, ListenSpec } from '../loop.ts'

/**
 * A connection between two nodes of the cluster: mutual TLS 1.3, the peer's certificate verified by
 * hand. The tunnel sees bytes and an identity; each loop brings its own TLS.
 */
export interface SecureChannel {
  /** One at a time: the next after `onWritten`. The bytes must not change before that. */
  write(bytes: Uint8Array): void
  pause(): void
  resume(): void
  /** At once; no event follows. */
  destroy(): void
}

export interface ChannelHandler {
  /** The peer is who it should be. Comes first, for a channel that was dialled. */
  onOpen(peer: PeerIdentity): void
  onBytes(bytes: Uint8Array): void
  onWritten(): void
  /** The last event; also when it never opened. */
  onClosed(because: string): void
}

export interface ChannelAcceptor {
  onListening(): void
  onListenFailed(code: string): void
  /** The peer has proved its identity; null refuses it. */
  onAccept(channel: SecureChannel, peer: PeerIdentity): ChannelHandler | null
  /** Somebody without a valid certificate of this cluster, and why it got nowhere. */
  onRefused(remote: string, because: string): void
}

export interface SecureChannels {
  /** For channels from now on; the open ones live on. */
  setIdentity(identity: TunnelIdentity): void
  /** Only after an identity is set. */
  listen(spec: ListenSpec, acceptor: ChannelAcceptor): void
  unlisten(): void
  /** Only after an identity is set; `expected` is who must answer there. */
  connect(to: Address, expected: NodeId, handler: ChannelHandler): SecureChannel
}
