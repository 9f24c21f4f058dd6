import { connect, TLSSocket } from 'node:tls'
import {
  serviceCapabilities,
  UnexpectedPeerError,
  type ConnectionEncrypter,
  type MessageStream,
  type SecureConnectionOptions,
  type SecuredConnection,
} from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { Clock } from '../base/clock.ts'
import type { NodeId } from '../base/ids.ts'
import type { NodeIdentity } from '../identity/node-identity.ts'
import type { PeerIdentity } from '../identity/peer-identity.ts'
import {
  authenticatedPeer,
  clientTlsOptions,
  handshakeFault,
  serverTlsOptions,
  trustOf,
} from '../identity/tls-options.ts'
import { SecureMessageStream } from './secure-message-stream.ts'
import { takeSocket } from './take-socket.ts'

const alpn = 'mesh-libp2p/1'

export interface ClusterTlsOptions {
  /** Asked at every handshake: certificates are renewed while we run. */
  readonly identity: () => NodeIdentity
  readonly isMember: (node: NodeId, peerId: string) => boolean
  readonly clock: Clock
  /** The dialler is told nothing but a reset, so this side has to say why. */
  readonly onRefused: (connection: MessageStream, reason: string) => void
}

/**
 * libp2p's security for the cluster: mutual TLS 1.3 with the node certificates. Both sides verify
 * by hand: a server-side `TLSSocket` over a stream lets a foreign authority's certificate pass.
 */
export class ClusterTls implements ConnectionEncrypter {
  readonly protocol = '/mesh-tls/1'
  readonly [serviceCapabilities] = ['@libp2p/connection-encryption']
  readonly #options: ClusterTlsOptions
  /** Keyed by the one object that libp2p hands on from a raw connection to a finished one. */
  readonly #peers = new WeakMap<object, PeerIdentity>()
  readonly #begun = new WeakSet<object>()

  constructor(options: ClusterTlsOptions) {
    this.#options = options
  }

  /** Who is at the other end of a connection that this encrypter secured. */
  peerOf(connection: { readonly timeline: object }): PeerIdentity | undefined {
    return this.#peers.get(connection.timeline)
  }

  /** Whether it got as far as a handshake; how that ended, `onRefused` has been told. */
  hasBegun(connection: { readonly timeline: object }): boolean {
    return this.#begun.has(connection.timeline)
  }

  async secureInbound(
    connection: MessageStream,
    options?: SecureConnectionOptions,
  ): Promise<SecuredConnection> {
    this.#begun.add(connection.timeline)
    const own = serverTlsOptions(this.#options.identity(), { alpn: [alpn] })
    const socket = new TLSSocket(takeSocket(connection), { ...own, isServer: true })
    try {
      await handshake(socket, { connection, event: 'secure', signal: options?.signal })
    } catch (error) {
      const reason = error instanceof Error ? handshakeFault(error) : String(error)
      this.#options.onRefused(connection, reason)
      throw error
    }
    return this.#admit(connection, socket, options)
  }

  async secureOutbound(
    connection: MessageStream,
    options?: SecureConnectionOptions,
  ): Promise<SecuredConnection> {
    const own = clientTlsOptions(this.#options.identity(), { alpn: [alpn] })
    const socket = connect({ ...own, socket: takeSocket(connection) })
    await handshake(socket, { connection, event: 'secureConnect', signal: options?.signal })
    return this.#admit(connection, socket, options)
  }

  #admit(
    connection: MessageStream,
    socket: TLSSocket,
    options?: SecureConnectionOptions,
  ): SecuredConnection {
    const { identity, clock, isMember, onRefused } = this.#options
    const refuse = (reason: string): Error => {
      onRefused(connection, reason)
      socket.destroy()
      return new UnexpectedPeerError(reason)
    }
    const peer = authenticatedPeer(socket, trustOf(identity(), clock.nowMs()))
    if ('refused' in peer) throw refuse(peer.refused)
    if (socket.alpnProtocol !== alpn) throw refuse('another protocol inside TLS')
    const remotePeer = peerIdFromString(peer.peerId)
    if (options?.remotePeer !== undefined && !options.remotePeer.equals(remotePeer)) {
      throw refuse(`expected peer ${options.remotePeer.toString()}, met ${peer.peerId}`)
    }
    if (!isMember(peer.nodeId, peer.peerId)) throw refuse(`node ${peer.nodeId} is not a member`)
    this.#peers.set(connection.timeline, peer)
    return { connection: new SecureMessageStream(connection, socket), remotePeer }
  }
}

interface Handshake {
  readonly connection: MessageStream
  readonly event: 'secure' | 'secureConnect'
  readonly signal: AbortSignal | undefined
}

function handshake(socket: TLSSocket, given: Handshake): Promise<void> {
  const { connection, event, signal } = given
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      release()
      socket.destroy()
      connection.abort(error)
      reject(error)
    }
    const onAbort = (): void => fail(new Error('the handshake took too long'))
    const onClose = (): void => fail(new Error('the connection ended during the handshake'))
    const onSecure = (): void => {
      release()
      resolve()
    }
    const release = (): void => {
      signal?.removeEventListener('abort', onAbort)
      socket.off('error', fail).off('close', onClose).off(event, onSecure)
    }
    // For good: an error after the handshake must find a listener, whatever the muxer does.
    socket.on('error', () => {})
    socket.once('error', fail).once('close', onClose).once(event, onSecure)
    signal?.addEventListener('abort', onAbort)
    if (signal?.aborted === true) onAbort()
  })
}
