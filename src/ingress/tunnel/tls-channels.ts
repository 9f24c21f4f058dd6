import { connect, createServer, type Server, type TLSSocket } from 'node:tls'
import { assert } from '../../../mesh/base/assert.ts'
import type { Clock } from '../../../mesh/base/clock.ts'
import type { NodeId } from '../../../mesh/base/ids.ts'
import type { NodeIdentity } from '../../../mesh/identity/node-identity.ts'
import type { PeerIdentity } from '../../../mesh/identity/peer-identity.ts'
import {
  authenticatedPeer,
  clientTlsOptions,
  handshakeFault,
  serverTlsOptions,
  trustOf,
} from '../../../mesh/identity/tls-options.ts'
import type { PeerRefused } from '../../../mesh/identity/verify-peer.ts'
import type { TunnelIdentity } from '../../wire/ingress-message.ts'
import type { Address, ListenSpec } from '../loop.ts'
import type {
  ChannelAcceptor,
  ChannelHandler,
  SecureChannel,
  SecureChannels,
} from './secure-channel.ts'

const alpn = ['mesh-tunnel/1']
const openTimeoutMs = 2000
/** Strangers included: nobody can make us hold more handshakes than this. */
const connectionsLimit = 8192
const keepAliveDelayMs = 15_000

/** Secure channels over `node:tls`, beside a `NetLoop`. */
export class TlsChannels implements SecureChannels {
  readonly #clock: Clock
  #identity: NodeIdentity | null = null
  #server: Server | null = null

  constructor(clock: Clock) {
    this.#clock = clock
  }

  setIdentity(identity: TunnelIdentity): void {
    this.#identity = { ...identity, libp2pPrivateKey: new Uint8Array(0) }
    this.#server?.setSecureContext(this.#serverOptions())
  }

  listen(spec: ListenSpec, acceptor: ChannelAcceptor): void {
    assert(this.#server === null, 'one data path per worker')
    const server = createServer(this.#serverOptions())
    server.maxConnections = connectionsLimit
    this.#server = server
    server.on('listening', () => acceptor.onListening())
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (this.#server !== server) return
      this.#server = null
      acceptor.onListenFailed(error.code ?? error.message)
    })
    server.on('secureConnection', (socket) => this.#accept(socket, acceptor))
    server.on('tlsClientError', (error, socket) => {
      const because = `no handshake: ${handshakeFault(error)}`
      acceptor.onRefused(socket.remoteAddress ?? 'unknown', because)
      socket.destroy()
    })
    const { host, port, shared } = spec
    server.listen({ host, port, exclusive: true, reusePort: shared })
  }

  unlisten(): void {
    this.#server?.close()
    this.#server = null
  }

  connect(to: Address, expected: NodeId, handler: ChannelHandler): SecureChannel {
    const { host, port } = to
    const socket = connect({ ...clientTlsOptions(this.#known(), { alpn }), host, port })
    const channel = new TlsChannel(socket)
    const cancelTimeout = this.#clock.after(openTimeoutMs, () => {
      socket.destroy(new Error('no answer in time'))
    })
    socket.once('close', cancelTimeout)
    socket.once('secureConnect', () => {
      cancelTimeout()
      const peer = this.#authenticate(socket)
      if ('refused' in peer) socket.destroy(new Error(peer.refused))
      else if (peer.nodeId !== expected) socket.destroy(new Error(`it is node ${peer.nodeId}`))
      else handler.onOpen(peer)
    })
    channel.start(handler)
    return channel
  }

  #accept(socket: TLSSocket, acceptor: ChannelAcceptor): void {
    socket.on('error', () => {})
    const remote = socket.remoteAddress ?? 'unknown'
    const peer = this.#authenticate(socket)
    if ('refused' in peer) {
      acceptor.onRefused(remote, peer.refused)
      socket.destroy()
      return
    }
    const channel = new TlsChannel(socket)
    const handler = acceptor.onAccept(channel, peer)
    if (handler === null) channel.destroy()
    else channel.start(handler)
  }

  #authenticate(socket: TLSSocket): PeerIdentity | PeerRefused {
    if (socket.alpnProtocol !== alpn[0]) return { refused: 'does not speak the tunnel protocol' }
    return authenticatedPeer(socket, trustOf(this.#known(), this.#clock.nowMs()))
  }

  #serverOptions() {
    // Refused by hand, one turn later: Node itself would hang up without saying why.
    return { ...serverTlsOptions(this.#known(), { alpn }), rejectUnauthorized: false }
  }

  #known(): NodeIdentity {
    assert(this.#identity !== null, 'channels need an identity')
    return this.#identity
  }
}

class TlsChannel implements SecureChannel {
  readonly #socket: TLSSocket
  #handler: ChannelHandler | null = null
  #because = 'closed by the peer'

  constructor(socket: TLSSocket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.setKeepAlive(true, keepAliveDelayMs)
  }

  start(handler: ChannelHandler): void {
    this.#handler = handler
    this.#socket.on('data', (bytes: Buffer) => this.#handler?.onBytes(bytes))
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#because = error.code ?? error.message
    })
    this.#socket.on('end', () => this.#socket.destroy())
    this.#socket.on('close', () => {
      const last = this.#handler
      this.#handler = null
      last?.onClosed(this.#because)
    })
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes, (error) => {
      if (!error) this.#handler?.onWritten()
    })
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  destroy(): void {
    this.#handler = null
    this.#socket.destroy()
  }
}
