import type { NodeId } from '../base/ids.ts'
import { MeshError } from '../base/mesh-error.ts'
import type { DialTarget, FrameStream, Transport } from '../transport/transport.ts'

type FrameListener = (from: NodeId, frame: Uint8Array) => void
type Answer = (from: NodeId, frame: Uint8Array) => Promise<Uint8Array>
type StreamListener = (stream: FrameStream) => void
type ConnectionListener = (node: NodeId, event: 'up' | 'down' | 'refused') => void

/**
 * The transport as one role of this node has it: its listeners go when the role ends, while those
 * of the transport beneath are for good. A later role may listen to the same protocols again.
 */
export class RoleTransport implements Transport {
  readonly #transport: Transport
  readonly #served = new Set<string>()
  readonly #frames = new Map<string, FrameListener>()
  readonly #answers = new Map<string, Answer>()
  readonly #streams = new Map<string, StreamListener>()
  readonly #connections = new Set<ConnectionListener>()

  constructor(transport: Transport) {
    this.#transport = transport
    transport.onConnection((node, event) => {
      for (const listener of this.#connections) listener(node, event)
    })
  }

  /** The role has ended: nobody here hears of what still comes. */
  forgetListeners(): void {
    this.#frames.clear()
    this.#answers.clear()
    this.#streams.clear()
    this.#connections.clear()
  }

  send(to: NodeId, protocol: string, frame: Uint8Array): boolean {
    return this.#transport.send(to, protocol, frame)
  }

  onFrame(protocol: string, listener: FrameListener): void {
    this.#frames.set(protocol, listener)
    this.#serveOnce(protocol, () =>
      this.#transport.onFrame(protocol, (from, frame) => this.#frames.get(protocol)?.(from, frame)),
    )
  }

  request(to: NodeId, protocol: string, frame: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    return this.#transport.request(to, protocol, frame, timeoutMs)
  }

  onRequest(protocol: string, answer: Answer): void {
    this.#answers.set(protocol, answer)
    this.#serveOnce(protocol, () =>
      this.#transport.onRequest(protocol, async (from, frame) => {
        const present = this.#answers.get(protocol)
        if (present !== undefined) return present(from, frame)
        throw new MeshError({ code: 'transport/not-served', protocol })
      }),
    )
  }

  openStream(to: NodeId, protocol: string): Promise<FrameStream> {
    return this.#transport.openStream(to, protocol)
  }

  onStream(protocol: string, listener: StreamListener): void {
    this.#streams.set(protocol, listener)
    this.#serveOnce(protocol, () =>
      this.#transport.onStream(protocol, (stream) => {
        const present = this.#streams.get(protocol)
        if (present === undefined) stream.close()
        else present(stream)
      }),
    )
  }

  publish(topic: string, data: Uint8Array): void {
    this.#transport.publish(topic, data)
  }

  onPublished(topic: string, listener: (data: Uint8Array) => void): void {
    this.#transport.onPublished(topic, listener)
  }

  setTargets(targets: readonly DialTarget[]): void {
    this.#transport.setTargets(targets)
  }

  connected(): readonly NodeId[] {
    return this.#transport.connected()
  }

  onConnection(listener: ConnectionListener): void {
    this.#connections.add(listener)
  }

  recheckPeers(): void {
    this.#transport.recheckPeers()
  }

  stop(): Promise<void> {
    return this.#transport.stop()
  }

  #serveOnce(protocol: string, serve: () => void): void {
    if (this.#served.has(protocol)) return
    this.#served.add(protocol)
    serve()
  }
}
