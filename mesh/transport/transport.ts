import type { NodeId } from '../base/ids.ts'

/** A member that this node should be connected to; the transport redials it for ever, with jitter. */
export interface DialTarget {
  readonly node: NodeId
  readonly peerId: string
  /** `host:port` of its libp2p listener. */
  readonly address: string
}

/** Ordered frames both ways between two nodes; closing or losing it ends both directions. */
export interface FrameStream {
  readonly peer: NodeId
  /** False when the frame was dropped: closed, or more than the queue's limit waits. */
  send(frame: Uint8Array): boolean
  onFrame(listener: (frame: Uint8Array) => void): void
  onClose(listener: () => void): void
  close(): void
}

/**
 * Reliable streams and broadcast between members. `from` is always the identity proved by the
 * peer's certificate, checked against the catalog when the connection and each stream opens.
 */
export interface Transport {
  /**
   * Sends on the one long-lived stream of this protocol to that peer, which is opened when needed.
   * False when dropped: not connected, or the queue is full. Loss is the caller's to repair.
   */
  send(to: NodeId, protocol: string, frame: Uint8Array): boolean
  onFrame(protocol: string, listener: (from: NodeId, frame: Uint8Array) => void): void

  /** One question, one answer, over a long-lived stream; rejects with `MeshError` `transport/unreachable` or `transport/timeout`. */
  request(to: NodeId, protocol: string, frame: Uint8Array, timeoutMs: number): Promise<Uint8Array>
  onRequest(
    protocol: string,
    answer: (from: NodeId, frame: Uint8Array) => Promise<Uint8Array>,
  ): void

  openStream(to: NodeId, protocol: string): Promise<FrameStream>
  onStream(protocol: string, listener: (stream: FrameStream) => void): void

  /** To all subscribers, best effort (gossipsub). */
  publish(topic: string, data: Uint8Array): void
  onPublished(topic: string, listener: (data: Uint8Array) => void): void

  /** Replaces the set of members to keep connections to. */
  setTargets(targets: readonly DialTarget[]): void
  connected(): readonly NodeId[]
  /** Called when the first connection to a node is up, when the last one is gone, and when a redial was refused. */
  onConnection(listener: (node: NodeId, event: 'up' | 'down' | 'refused') => void): void
  /** Closes connections to nodes that `isMember` no longer admits. */
  recheckPeers(): void
  stop(): Promise<void>
}
