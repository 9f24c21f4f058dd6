import type { Connection } from '@libp2p/interface'
import type { NodeId } from '../base/ids.ts'
import type { PeerIdentity } from '../identity/peer-identity.ts'

/** Which connections lead to which node. Two nodes that dial at once have two; both are used. */
export class PeerConnections {
  readonly #byNode = new Map<NodeId, Map<Connection, PeerIdentity>>()

  /** True when it is the first one to that node. */
  add(connection: Connection, peer: PeerIdentity): boolean {
    const known = this.#byNode.get(peer.nodeId)
    if (known !== undefined) {
      known.set(connection, peer)
      return false
    }
    this.#byNode.set(peer.nodeId, new Map([[connection, peer]]))
    return true
  }

  /** True when it was the last one to that node. */
  remove(connection: Connection, node: NodeId): boolean {
    const known = this.#byNode.get(node)
    if (known === undefined || !known.delete(connection) || known.size > 0) return false
    this.#byNode.delete(node)
    return true
  }

  /** The oldest one that is open. */
  pick(node: NodeId): Connection | undefined {
    const known = [...(this.#byNode.get(node)?.keys() ?? [])]
    return known.find((connection) => connection.status === 'open')
  }

  has(node: NodeId): boolean {
    return this.#byNode.has(node)
  }

  nodes(): NodeId[] {
    return [...this.#byNode.keys()]
  }

  all(): [Connection, PeerIdentity][] {
    return [...this.#byNode.values()].flatMap((known) => [...known])
  }
}
