import type { TLSSocket } from 'node:tls'
import type { Clock } from '../base/clock.ts'
import type { NodeId } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import type { NodeIdentity } from '../identity/node-identity.ts'
import type { PeerIdentity } from '../identity/peer-identity.ts'
import { authenticatedPeer, trustOf } from '../identity/tls-options.ts'

const checkMs = 1000
/** A call that is under way may end, and its caller comes again with its new certificate. */
const patienceMs = 20_000

export interface MemberConnectionsDeps {
  readonly clock: Clock
  readonly log: Log
  readonly identity: () => NodeIdentity
  readonly isMember: (node: NodeId, peerId: string) => boolean
}

interface Admitted {
  readonly peer: PeerIdentity
  /** The authorities that were trusted when it was last verified. */
  believedBy: readonly string[]
  refusedAtMs: number | null
}

/** Open connections of members, each of which ends when it would not be let in any more. */
export class MemberConnections {
  readonly #deps: MemberConnectionsDeps
  readonly #admitted = new Map<TLSSocket, Admitted>()
  readonly #stopChecks: () => void

  constructor(deps: MemberConnectionsDeps) {
    this.#deps = deps
    this.#stopChecks = deps.clock.every(checkMs, () => this.#check())
  }

  add(socket: TLSSocket, peer: PeerIdentity): void {
    const believedBy = this.#deps.identity().caCertificatesPem
    this.#admitted.set(socket, { peer, believedBy, refusedAtMs: null })
    socket.once('close', () => this.#admitted.delete(socket))
  }

  stop(): void {
    this.#stopChecks()
  }

  #check(): void {
    for (const [socket, admitted] of this.#admitted) {
      const reason = this.#refusal(socket, admitted)
      if (reason === null) continue
      const { nodeId: node } = admitted.peer
      this.#deps.log.info({ node, reason }, 'connection of a member closed')
      socket.destroy()
    }
  }

  #refusal(socket: TLSSocket, admitted: Admitted): string | null {
    const { clock, isMember, identity } = this.#deps
    const { peer, believedBy } = admitted
    if (!isMember(peer.nodeId, peer.peerId)) return 'no longer a member'
    if (peer.notAfterMs < clock.nowMs()) return 'its certificate has expired'
    const { caCertificatesPem } = identity()
    if (believedBy === caCertificatesPem) return null
    const found = authenticatedPeer(socket, trustOf(identity(), clock.nowMs()))
    if (!('refused' in found)) {
      admitted.believedBy = caCertificatesPem
      return null
    }
    admitted.refusedAtMs ??= clock.monotonicMs()
    return clock.monotonicMs() - admitted.refusedAtMs < patienceMs ? null : found.refused
  }
}
