import { Agent } from 'node:https'
import { connect, type TLSSocket } from 'node:tls'
import type { Clock } from '../../mesh/base/clock.ts'
import type { NodeId } from '../../mesh/base/ids.ts'
import type { NodeIdentity } from '../../mesh/identity/node-identity.ts'
import { authenticatedPeer, clientTlsOptions, trustOf } from '../../mesh/identity/tls-options.ts'

export interface ApiRoute {
  /** `https://host:port`. */
  readonly target: string
  readonly agent: Agent
}

/** Reaches the API of other nodes over mutual TLS, as the node that we are; one agent a node. */
export class ApiDialer implements Disposable {
  readonly #self: Self
  readonly #clock: Clock
  readonly #maxSockets: number
  readonly #routes = new Map<NodeId, ApiRoute>()

  constructor(self: Self, clock: Clock, maxSockets = 32) {
    this.#self = self
    this.#clock = clock
    this.#maxSockets = maxSockets
  }

  /** `address` is the node's `host:port`; a node that moved gets a new agent. */
  route(node: NodeId, address: string): ApiRoute {
    const target = `https://${address}`
    const known = this.#routes.get(node)
    if (known?.target === target) return known
    known?.agent.destroy()
    const member = { self: this.#self, clock: this.#clock, expected: node }
    const route = { target, agent: new MemberAgent(member, this.#maxSockets) }
    this.#routes.set(node, route)
    return route
  }

  [Symbol.dispose](): void {
    for (const { agent } of this.#routes.values()) agent.destroy()
    this.#routes.clear()
  }
}

/** Looked at for each new connection: certificates are renewed. */
interface Self {
  readonly identity: NodeIdentity
}

interface ExpectedMember {
  readonly self: Self
  readonly clock: Clock
  readonly expected: NodeId
}

/** Connections that are used only after the other end has proved to be `expected`. */
class MemberAgent extends Agent {
  readonly #member: ExpectedMember

  constructor(member: ExpectedMember, maxSockets: number) {
    super({ keepAlive: true, maxSockets, maxCachedSessions: 0 })
    this.#member = member
  }

  override createConnection(options: {
    readonly host?: string
    readonly port?: number
  }): TLSSocket {
    const { host = '', port = 0 } = options
    const { self, clock, expected } = this.#member
    const { identity } = self
    const member = clientTlsOptions(identity, { alpn: ['http/1.1'] })
    const socket = connect({ ...member, host, port, timeout: 10_000 })
    socket.once('secureConnect', () => {
      const peer = authenticatedPeer(socket, trustOf(identity, clock.nowMs()))
      if ('refused' in peer) socket.destroy(new Error(`not a member: ${peer.refused}`))
      else if (peer.nodeId !== expected) socket.destroy(new Error('another node answered'))
    })
    return socket
  }
}
