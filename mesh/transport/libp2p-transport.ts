import { randomBytes } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import {
  UnexpectedPeerError,
  type Connection,
  type MessageStream,
  type MultiaddrConnection,
  type Stream,
} from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import type { NodeId } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import { MeshError } from '../base/mesh-error.ts'
import type { Random } from '../base/random.ts'
import type { NodeIdentity } from '../identity/node-identity.ts'
import { ClusterTls } from './cluster-tls.ts'
import { FramedStream } from './framed-stream.ts'
import { guarded } from './guarded.ts'
import {
  formatHostPort,
  parseHostPort,
  plainHost,
  tcpMultiaddr,
  type HostPort,
} from './host-address.ts'
import { createHost, maxPublishedBytes, messageIdBytes, type Host } from './libp2p-host.ts'
import { LongLivedStream } from './long-lived-stream.ts'
import { PeerConnections } from './peer-connections.ts'
import { Redialler, type DialOutcome } from './redialler.ts'
import { RefusalLog } from './refusal-log.ts'
import { answerRequests, Requests, type Answer } from './requests.ts'
import type { DialTarget, FrameStream, Transport } from './transport.ts'

const dialTimeoutMs = 5000
const openTimeoutMs = 2000
const maxStreamsPerProtocol = 256

export interface Libp2pTransportOptions {
  readonly identity: NodeIdentity
  /** Port 0 takes any free one. */
  readonly listen: HostPort
  /** All that will ever be published or listened to; others are refused from peers too. */
  readonly topics: readonly string[]
  /** Asked when a connection and when a stream opens, and by `recheckPeers`. */
  readonly isMember: (node: NodeId, peerId: string) => boolean
}

export interface Libp2pTransportDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

interface Asked {
  readonly stream: LongLivedStream
  readonly requests: Requests
}

type ConnectionListener = (node: NodeId, event: 'up' | 'down' | 'refused') => void

/**
 * The mesh's streams and broadcast over libp2p. Build it, register listeners, then `start`: a
 * protocol that nobody listens to is refused from peers.
 */
export class Libp2pTransport implements Transport {
  readonly #options: Libp2pTransportOptions
  readonly #deps: Libp2pTransportDeps
  readonly #host: Host
  readonly #tls: ClusterTls
  readonly #peers = new PeerConnections()
  readonly #redialler: Redialler
  readonly #sending = new Map<string, LongLivedStream>()
  readonly #asking = new Map<string, Asked>()
  readonly #topicListeners = new Map<string, ((data: Uint8Array) => void)[]>()
  readonly #connectionListeners: ConnectionListener[] = []
  readonly #held: Held
  #isStopped = false

  private constructor(options: Libp2pTransportOptions, deps: Libp2pTransportDeps, made: Made) {
    this.#options = options
    this.#deps = deps
    this.#held = made.held
    this.#host = made.host
    this.#tls = made.tls
    this.#redialler = new Redialler({
      self: options.identity.nodeId,
      dial: (target) => this.#dial(target),
      isConnected: (node) => this.#peers.has(node),
      onRefused: (node) => this.#tellConnection(node, 'refused'),
      clock: deps.clock,
      random: deps.random,
    })
    this.#host.addEventListener('connection:open', (event) => this.#opened(event.detail))
    this.#host.addEventListener('connection:close', (event) => this.#closed(event.detail))
    this.#host.services.pubsub.addEventListener('message', (event) => {
      this.#published(event.detail.topic, event.detail.data)
    })
  }

  static async create(
    options: Libp2pTransportOptions,
    deps: Libp2pTransportDeps,
  ): Promise<Libp2pTransport> {
    const held: Held = { identity: options.identity }
    const refusals = new RefusalLog('peer refused', deps)
    const refuse = (connection: MessageStream, reason: string): void => {
      const { direction } = connection
      refusals.tell({ remoteAddress: remoteHost(connection), direction, reason })
    }
    const tls = new ClusterTls({
      identity: () => held.identity,
      isMember: options.isMember,
      clock: deps.clock,
      onRefused: refuse,
    })
    const { libp2pPrivateKey } = options.identity
    const { listen, topics } = options
    const onInbound = (connection: MultiaddrConnection): void => {
      connection.addEventListener('close', ({ error }) => {
        if (error === undefined || tls.hasBegun(connection)) return
        refuse(connection, `no handshake: ${error.message}`)
      })
    }
    const host = await createHost({ libp2pPrivateKey, listen, topics, encrypter: tls, onInbound })
    return new Libp2pTransport(options, deps, { host, tls, held })
  }

  /** Listens and lets peers in; rejects with `transport/cannot-listen`. */
  async start(): Promise<void> {
    try {
      await this.#host.start()
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      const { host, port } = this.#options.listen
      throw new MeshError({ code: 'transport/cannot-listen', protocol: 'tcp', host, port, reason })
    }
    for (const topic of this.#options.topics) this.#host.services.pubsub.subscribe(topic)
  }

  /** `host:port` that it listens on, with the real port. */
  get address(): string {
    const [first] = this.#host.getMultiaddrs()
    const port = first?.getComponents().find(({ name }) => name === 'tcp')?.value
    assert(port !== undefined, 'started')
    return formatHostPort({ host: this.#options.listen.host, port: Number(port) })
  }

  /** A renewed certificate or authority, for handshakes from now on; keys of libp2p stay. */
  useIdentity(identity: NodeIdentity): void {
    assert(identity.peerId === this.#options.identity.peerId, 'a peer id lives as long as its node')
    this.#held.identity = identity
  }

  send(to: NodeId, protocol: string, frame: Uint8Array): boolean {
    const key = `${to} ${protocol}`
    const known = this.#sending.get(key)
    if (known !== undefined) return known.send(frame)
    if (!this.#peers.has(to) || this.#isStopped) return false
    const stream = new LongLivedStream(() => this.openStream(to, protocol), {
      onFrame: () => {},
      onClose: () => this.#sending.delete(key),
    })
    this.#sending.set(key, stream)
    return stream.send(frame)
  }

  onFrame(protocol: string, listener: (from: NodeId, frame: Uint8Array) => void): void {
    this.onStream(protocol, (stream) => {
      stream.onFrame((frame) => listener(stream.peer, frame))
    })
  }

  request(to: NodeId, protocol: string, frame: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    if (!this.#peers.has(to) || this.#isStopped) {
      return Promise.reject(unreachablePeer(to, protocol, 'not connected'))
    }
    const { requests, stream } = this.#askingStream(to, protocol)
    return requests.ask(frame, timeoutMs, (question) => stream.send(question))
  }

  onRequest(protocol: string, answer: Answer): void {
    this.onStream(protocol, (stream) => answerRequests(stream, answer, this.#deps.log))
  }

  async openStream(to: NodeId, protocol: string): Promise<FrameStream> {
    const connection = this.#peers.pick(to)
    if (connection === undefined) throw unreachablePeer(to, protocol, 'not connected')
    try {
      const stream = await connection.newStream(protocol, {
        signal: AbortSignal.timeout(openTimeoutMs),
        maxOutboundStreams: maxStreamsPerProtocol,
      })
      return new FramedStream(stream, to, this.#deps.log)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw unreachablePeer(to, protocol, reason)
    }
  }

  onStream(protocol: string, listener: (stream: FrameStream) => void): void {
    const limits = {
      maxInboundStreams: maxStreamsPerProtocol,
      maxOutboundStreams: maxStreamsPerProtocol,
    }
    const handler = (stream: Stream, connection: Connection): void => {
      const peer = this.#tls.peerOf(connection)
      if (peer === undefined || !this.#options.isMember(peer.nodeId, peer.peerId)) {
        stream.abort(new Error('not a member'))
        return
      }
      const framed = new FramedStream(stream, peer.nodeId, this.#deps.log)
      if (!guarded(this.#deps.log, protocol, () => listener(framed))) framed.close()
    }
    this.#host.handle(protocol, handler, limits).catch((error: unknown) => {
      this.#deps.log.error({ protocol, reason: String(error) }, 'protocol cannot be served')
    })
  }

  publish(topic: string, data: Uint8Array): void {
    assert(this.#options.topics.includes(topic), `topic ${topic} was announced at the start`)
    if (this.#isStopped) return
    if (data.length > maxPublishedBytes) {
      this.#deps.log.error({ topic, bytes: data.length }, 'message too long to be published')
      return
    }
    const message = new Uint8Array(messageIdBytes + data.length)
    message.set(randomBytes(messageIdBytes))
    message.set(data, messageIdBytes)
    this.#host.services.pubsub.publish(topic, message).catch((error: unknown) => {
      this.#deps.log.debug({ topic, reason: String(error) }, 'publishing failed')
    })
  }

  onPublished(topic: string, listener: (data: Uint8Array) => void): void {
    assert(this.#options.topics.includes(topic), `topic ${topic} was announced at the start`)
    this.#topicListeners.set(topic, [...(this.#topicListeners.get(topic) ?? []), listener])
  }

  setTargets(targets: readonly DialTarget[]): void {
    this.#redialler.setTargets(targets)
  }

  connected(): readonly NodeId[] {
    return this.#peers.nodes()
  }

  onConnection(listener: ConnectionListener): void {
    this.#connectionListeners.push(listener)
  }

  recheckPeers(): void {
    for (const [connection, { nodeId, peerId }] of this.#peers.all()) {
      if (this.#options.isMember(nodeId, peerId)) continue
      this.#deps.log.info({ node: nodeId }, 'no longer a member, connection closed')
      connection.abort(new Error('no longer a member'))
    }
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#redialler.stop()
    for (const stream of this.#sending.values()) stream.close()
    for (const { stream } of this.#asking.values()) stream.close()
    await this.#host.stop()
  }

  #askingStream(to: NodeId, protocol: string): Asked {
    const key = `${to} ${protocol}`
    const known = this.#asking.get(key)
    if (known !== undefined) return known
    const requests = new Requests(to, protocol, this.#deps.clock)
    const stream = new LongLivedStream(() => this.openStream(to, protocol), {
      onFrame: (frame) => requests.onFrame(frame),
      onClose: () => {
        this.#asking.delete(key)
        requests.onClose()
      },
    })
    const asked = { stream, requests }
    this.#asking.set(key, asked)
    return asked
  }

  #opened(connection: Connection): void {
    const peer = this.#tls.peerOf(connection)
    // The catalog may have changed since the handshake.
    if (peer === undefined || !this.#options.isMember(peer.nodeId, peer.peerId)) {
      connection.abort(new UnexpectedPeerError('not a member'))
      return
    }
    if (!this.#peers.add(connection, peer)) return
    this.#redialler.onUp(peer.nodeId)
    this.#tellConnection(peer.nodeId, 'up')
  }

  #closed(connection: Connection): void {
    const peer = this.#tls.peerOf(connection)
    if (peer === undefined || !this.#peers.remove(connection, peer.nodeId)) return
    this.#tellConnection(peer.nodeId, 'down')
    this.#redialler.onDown(peer.nodeId)
  }

  #tellConnection(node: NodeId, event: 'up' | 'down' | 'refused'): void {
    if (this.#isStopped) return
    for (const listener of this.#connectionListeners) {
      guarded(this.#deps.log, `connection ${event}`, () => listener(node, event))
    }
  }

  #published(topic: string, message: Uint8Array): void {
    if (message.length < messageIdBytes) return
    const data = message.subarray(messageIdBytes)
    for (const listener of this.#topicListeners.get(topic) ?? []) {
      guarded(this.#deps.log, topic, () => listener(data))
    }
  }

  async #dial(target: DialTarget): Promise<DialOutcome> {
    try {
      const address = await resolveAddress(target.address)
      // Our own limit: a dial of libp2p may otherwise wait in its queue for ever.
      await this.#host.dial(multiaddr(`${address}/p2p/${target.peerId}`), {
        signal: AbortSignal.timeout(dialTimeoutMs),
      })
      return 'connected'
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#deps.log.debug({ node: target.node, address: target.address, reason }, 'dial failed')
      return isConnectionRefused(error) ? 'refused' : 'failed'
    }
  }
}

/** What encrypter and transport share: certificates are renewed while both run. */
interface Held {
  identity: NodeIdentity
}

interface Made {
  readonly host: Host
  readonly tls: ClusterTls
  readonly held: Held
}

async function resolveAddress(address: string): Promise<string> {
  const parsed = parseHostPort(address)
  if (parsed === null) throw new MeshError({ code: 'transport/bad-address', address })
  const found = await lookup(parsed.host)
  return tcpMultiaddr({ host: found.address, port: parsed.port })
}

/** A raw connection has an address, which its type as a byte stream does not promise. */
function remoteHost(connection: MessageStream): string {
  if (!('remoteAddr' in connection)) return ''
  const [, , host] = String(connection.remoteAddr).split('/')
  return plainHost(host)
}

/** libp2p wraps what the socket said, once or more. */
function isConnectionRefused(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if ('code' in error && error.code === 'ECONNREFUSED') return true
  if (error instanceof AggregateError) return error.errors.some(isConnectionRefused)
  return isConnectionRefused(error.cause)
}

const unreachablePeer = (node: NodeId, protocol: string, reason: string): MeshError =>
  new MeshError({ code: 'transport/unreachable', node, protocol, reason })
