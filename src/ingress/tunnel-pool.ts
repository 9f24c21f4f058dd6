import type { NodeId } from '../../mesh/base/ids.ts'
import type { Peer } from '../routing/route-table.ts'
import type { CancelDial, DialRequest } from './dial-task.ts'
import type { DialHandler } from './end.ts'
import { PeerLink, type PeerLinkDeps } from './peer-link.ts'

/** The ways to all peers, kept warm: the first client of a peer does not wait for a handshake. */
export class TunnelPool {
  readonly #deps: PeerLinkDeps
  readonly #links = new Map<NodeId, PeerLink>()

  constructor(deps: PeerLinkDeps) {
    this.#deps = deps
  }

  /** Exactly these; a peer that moved is dialled anew. Only once the channels have an identity. */
  setPeers(peers: readonly Peer[]): void {
    const wanted = new Map(peers.map((peer) => [peer.node, peer]))
    for (const [node, link] of this.#links) {
      if (wanted.get(node)?.address === link.address) continue
      this.#links.delete(node)
      link.stop()
    }
    for (const [node, peer] of wanted) {
      if (!this.#links.has(node)) this.#links.set(node, new PeerLink(peer, this.#deps))
    }
  }

  isReachable(node: NodeId): boolean {
    return this.#links.get(node)?.isReachable ?? false
  }

  /** Null while there is no way to that node. */
  dial(node: NodeId, request: DialRequest, handler: DialHandler): CancelDial | null {
    return this.#links.get(node)?.dial(request, handler) ?? null
  }

  /** After the identity has changed. */
  renew(): void {
    for (const link of this.#links.values()) link.renew()
  }

  stop(): void {
    for (const link of this.#links.values()) link.stop()
    this.#links.clear()
  }
}
