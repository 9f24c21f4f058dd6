import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import { assert } from '../base/assert.ts'
import type { NodeId } from '../base/ids.ts'
import { MeshError } from '../base/mesh-error.ts'
import type { NodeIdentity } from '../identity/node-identity.ts'
import type { PeerIdentity } from '../identity/peer-identity.ts'
import {
  authenticatedPeer,
  handshakeFault,
  serverTlsOptions,
  trustOf,
} from '../identity/tls-options.ts'
import {
  joinRequest,
  maxJoinRequestBytes,
  withSeenHost,
  type JoinReply,
  type JoinRequest,
} from '../wire/join-message.ts'
import {
  maxRenewalRequestBytes,
  renewalRequest,
  type RenewalReply,
  type RenewalRequest,
} from '../wire/renewal-message.ts'
import { formatHostPort, plainHost, type HostPort } from './host-address.ts'
import { joinAlpn, renewAlpn } from './control-protocol.ts'
import { QuestionServer, type QuestionServerDeps } from './question-server.ts'
import { RefusalLog } from './refusal-log.ts'

const apiAlpn = 'http/1.1'
/** Of all kinds together: a flood of strangers must not take every descriptor. */
const maxConnections = 1024

export interface ControlListenerOptions {
  readonly identity: NodeIdentity
  /** Port 0 takes any free one. */
  readonly listen: HostPort
  readonly isMember: (node: NodeId, peerId: string) => boolean
  /** Decides about a newcomer; empty hosts in its request are filled in with `remoteAddress`. */
  readonly onJoin: (request: JoinRequest, remoteAddress: string) => Promise<JoinReply>
  /** Decides about a member that asks for a certificate. */
  readonly onRenewal: (request: RenewalRequest) => Promise<RenewalReply>
  /** A connection of a member that wants to speak HTTP; what it may do is decided per request. */
  readonly onApiConnection: (socket: TLSSocket, peer: PeerIdentity) => void
  /** How long anybody may take for the handshake; 10 s when absent. */
  readonly handshakeTimeoutMs?: number
  /** How long a stranger may then take to say its request; 10 s when absent. */
  readonly joinTimeoutMs?: number
}

/**
 * The control port: TLS 1.3 that shows leaf and authority. A stranger may join, a member may
 * renew its certificate and call the API, everybody else is dropped. It exists only once the node has an identity.
 */
export class ControlListener {
  readonly #server: Server
  readonly #options: ControlListenerOptions
  readonly #deps: QuestionServerDeps
  readonly #joins: QuestionServer<JoinRequest, JoinReply>
  readonly #renewals: QuestionServer<RenewalRequest, RenewalReply>
  readonly #refusals: RefusalLog
  readonly #sockets = new Set<TLSSocket>()
  #identity: NodeIdentity

  private constructor(options: ControlListenerOptions, deps: QuestionServerDeps) {
    this.#options = options
    this.#deps = deps
    this.#identity = options.identity
    this.#joins = joinServer(options, deps)
    this.#renewals = renewalServer(options, deps)
    this.#refusals = new RefusalLog('control connection refused', deps)
    this.#server = createServer(serverOptions(options), (socket) => this.#accept(socket))
    this.#server.maxConnections = maxConnections
    this.#server.on('tlsClientError', (error, socket) => {
      this.#refuse(socket, `no handshake: ${handshakeFault(error)}`)
    })
  }

  /** Rejects with `transport/cannot-listen`. */
  static async open(
    options: ControlListenerOptions,
    deps: QuestionServerDeps,
  ): Promise<ControlListener> {
    const listener = new ControlListener(options, deps)
    const { host, port } = options.listen
    const listening = once(listener.#server, 'listening')
    listener.#server.listen({ host, port })
    try {
      await listening
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new MeshError({ code: 'transport/cannot-listen', protocol: 'tcp', host, port, reason })
    }
    listener.#server.on('error', (error) => deps.log.error({ reason: error.message }, 'listener'))
    return listener
  }

  get address(): string {
    const bound = this.#server.address() as AddressInfo | null
    assert(bound !== null, 'listening')
    return formatHostPort({ host: bound.address, port: bound.port })
  }

  /** A renewed certificate, for new connections; open ones go on. */
  useIdentity(identity: NodeIdentity): void {
    this.#identity = identity
    this.#server.setSecureContext(tlsOptions(identity))
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #accept(socket: TLSSocket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    // A reset is the peer's business; whoever uses the socket sees its close.
    socket.on('error', () => socket.destroy())
    if (socket.alpnProtocol === apiAlpn) return this.#admitMember(socket)
    const remoteAddress = plainHost(socket.remoteAddress)
    if (socket.alpnProtocol === joinAlpn) void this.#joins.serve(socket, remoteAddress)
    else if (socket.alpnProtocol === renewAlpn) void this.#renewals.serve(socket, remoteAddress)
    else this.#refuse(socket, 'no protocol was agreed on')
  }

  #admitMember(socket: TLSSocket): void {
    const peer = authenticatedPeer(socket, trustOf(this.#identity, this.#deps.clock.nowMs()))
    if ('refused' in peer) return this.#refuse(socket, peer.refused)
    if (!this.#options.isMember(peer.nodeId, peer.peerId)) {
      return this.#refuse(socket, `node ${peer.nodeId} is not a member`)
    }
    this.#options.onApiConnection(socket, peer)
  }

  #refuse(socket: TLSSocket, reason: string): void {
    // Who hung up on its own has no address any more, and needs no explanation.
    const remoteAddress = plainHost(socket.remoteAddress)
    if (remoteAddress !== '') this.#refusals.tell({ remoteAddress, reason })
    socket.destroy()
  }
}

const refuse = (reason: string) => ({ kind: 'refused', reason }) as const

const joinServer = (options: ControlListenerOptions, deps: QuestionServerDeps) =>
  new QuestionServer<JoinRequest, JoinReply>(
    {
      name: 'join',
      schema: joinRequest,
      maxBytes: maxJoinRequestBytes,
      timeoutMs: options.joinTimeoutMs,
      answer: (request, remote) => options.onJoin(withSeenHost(request, remote), remote),
      refuse,
    },
    deps,
  )

const renewalServer = (options: ControlListenerOptions, deps: QuestionServerDeps) =>
  new QuestionServer<RenewalRequest, RenewalReply>(
    {
      name: 'renewal',
      schema: renewalRequest,
      maxBytes: maxRenewalRequestBytes,
      timeoutMs: options.joinTimeoutMs,
      answer: (request) => options.onRenewal(request),
      refuse,
    },
    deps,
  )

/** Node waits two minutes for a handshake: whoever begins one and stays silent would hold the port. */
const serverOptions = ({ identity, handshakeTimeoutMs = 10_000 }: ControlListenerOptions) => ({
  ...tlsOptions(identity),
  handshakeTimeout: handshakeTimeoutMs,
})

/** A newcomer has no certificate yet, so TLS only asks for one; `#admitMember` insists. */
const tlsOptions = (identity: NodeIdentity) => ({
  ...serverTlsOptions(identity, { alpn: [joinAlpn, renewAlpn, apiAlpn] }),
  rejectUnauthorized: false,
})
