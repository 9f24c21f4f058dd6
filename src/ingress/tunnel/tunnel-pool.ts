import type { NodeId } from '../../../mesh/base/ids.ts'
import type { Peer } from '../../routing/route-table.ts'
import type { CancelDial, DialRequest } from '../dial-task.ts'
import type { DialHandler } from '../end.ts'
import { parseAddress } from '../loop.ts'
import type { FlowDialHandler } from '../udp/flow-end.ts'
import { PeerLink, type PeerLinkDeps } from './peer-link.ts'

/** The ways to all peers, kept warm: the first client of a peer does not wait for a handshake. */
export class TunnelPool {
  readonly #deps: PeerLinkDeps
  readonly #links = new Map<NodeId, PeerLink>()
  readonly #addresses = new Map<NodeId, string>()

  constructor(deps: PeerLinkDeps) {
    this.#deps = deps
  }

  /** Exactly these; a peer that moved is dialled anew. Only once the channels have an identity. */
  setPeers(peers: readonly Peer[]): void {
    const wanted = new Map(peers.map((peer) => [peer.node, peer.address]))
    for (const [node, link] of this.#links) {
      if (wanted.get(node) === this.#addresses.get(node)) continue
      this.#links.delete(node)
      this.#addresses.delete(node)
      link.stop()
    }
    for (const [node, text] of wanted) {
      const address = parseAddress(text)
      if (address === null || this.#links.has(node)) continue
      this.#addresses.set(node, text)
      this.#links.set(node, new PeerLink({ node, address }, this.#deps))
    }
    for (const { node, isDead = false } of peers) this.#links.get(node)?.setDead(isDead)
  }

  isReachable(node: NodeId): boolean {
    return this.#links.get(node)?.isReachable ?? false
  }

  /** Null while there is no way to that node. */
  dial(node: NodeId, request: DialRequest, handler: DialHandler): CancelDial | null {
    return this.#links.get(node)?.dial(request, handler) ?? null
  }

  /** Likewise. */
  dialFlow(node: NodeId, request: DialRequest, handler: FlowDialHandler): CancelDial | null {
    return this.#links.get(node)?.dialFlow(request, handler) ?? null
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
