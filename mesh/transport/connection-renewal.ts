import type { Clock } from '../base/clock.ts'
import type { NodeId } from '../base/ids.ts'

const checkMs = 1000
/** The node with the smaller id dials; the other one does when that has not helped. */
const courtesyChecks = 3
/** Whoever has no certificate that counts by then is cut off. */
const patienceChecks = 20
/** What was asked over the old connection is answered there. */
const lingerMs = 3000

/** `worn`: it is believed for a while yet; `refused`: it would not be let in any more. */
export type Standing = 'good' | 'worn' | 'refused'

export interface RenewalDeps<Connection> {
  readonly self: NodeId
  readonly clock: Clock
  /** All that are open, by their node. */
  readonly connections: () => ReadonlyMap<NodeId, readonly Connection[]>
  readonly standing: (connection: Connection) => Standing
  /** One more connection to a node that is connected. */
  readonly dial: (node: NodeId) => Promise<unknown>
  /** Nothing new goes over it from here on. */
  readonly retire: (connection: Connection, node: NodeId) => void
  readonly close: (connection: Connection, node: NodeId) => void
}

/**
 * Replaces connections whose certificates age out, or rest on an authority that is trusted no
 * more: first there is a new one, then the old one ends.
 */
export class ConnectionRenewal<Connection extends object> {
  readonly #deps: RenewalDeps<Connection>
  readonly #stopChecks: () => void
  /** For how many checks a node has had no good connection. */
  readonly #waited = new Map<NodeId, number>()
  readonly #dialling = new Set<NodeId>()
  readonly #retired = new WeakSet<Connection>()

  constructor(deps: RenewalDeps<Connection>) {
    this.#deps = deps
    this.#stopChecks = deps.clock.every(checkMs, () => this.#check())
  }

  stop(): void {
    this.#stopChecks()
  }

  #check(): void {
    const connections = this.#deps.connections()
    for (const node of this.#waited.keys()) if (!connections.has(node)) this.#waited.delete(node)
    for (const [node, known] of connections) this.#checkNode(node, known)
  }

  #checkNode(node: NodeId, connections: readonly Connection[]): void {
    const { standing } = this.#deps
    const old = connections.filter((each) => standing(each) !== 'good')
    if (old.length < connections.length) {
      this.#waited.delete(node)
      for (const each of old) this.#retire(each, node)
      return
    }
    const waited = (this.#waited.get(node) ?? -1) + 1
    this.#waited.set(node, waited)
    if (waited < patienceChecks) return this.#dial(node, waited)
    for (const each of old) if (standing(each) === 'refused') this.#deps.close(each, node)
  }

  #dial(node: NodeId, waited: number): void {
    const isOurs = this.#deps.self < node || waited >= courtesyChecks
    if (!isOurs || this.#dialling.has(node)) return
    this.#dialling.add(node)
    void this.#deps.dial(node).finally(() => this.#dialling.delete(node))
  }

  #retire(connection: Connection, node: NodeId): void {
    if (this.#retired.has(connection)) return
    this.#retired.add(connection)
    const { clock, retire, close } = this.#deps
    retire(connection, node)
    clock.after(lingerMs, () => close(connection, node))
  }
}
