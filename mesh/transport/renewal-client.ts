import type { Clock } from '../base/clock.ts'
import type { NodeId } from '../base/ids.ts'
import { MeshError } from '../base/mesh-error.ts'
import type { NodeIdentity } from '../identity/node-identity.ts'
import { authenticatedPeer, trustOf } from '../identity/tls-options.ts'
import { readChain } from '../identity/pem.ts'
import { verifyPeer } from '../identity/verify-peer.ts'
import {
  maxRenewalReplyBytes,
  renewalReply,
  type RenewalIssued,
  type RenewalReply,
  type RenewalRequest,
} from '../wire/renewal-message.ts'
import { controlFrame, dialControl, readControlMessage, renewAlpn } from './control-protocol.ts'
import { parseHostPort } from './host-address.ts'

export interface RenewalOptions {
  /** Whom to ask: only this node's word counts. */
  readonly manager: NodeId
  /** `host:port` of its control port. */
  readonly address: string
  readonly identity: NodeIdentity
  readonly request: RenewalRequest
  /** For the whole exchange; the manager asks its cluster before it answers. */
  readonly timeoutMs: number
  readonly clock: Clock
}

/**
 * Asks one manager for a certificate. Rejects with `control/unreachable`, `control/bad-message` or
 * `renewal/not-trusted`.
 */
export async function requestRenewal(options: RenewalOptions): Promise<RenewalReply> {
  const { address, identity, clock, timeoutMs } = options
  const target = parseHostPort(address)
  if (target === null) throw new MeshError({ code: 'transport/bad-address', address })
  const socket = await dialControl({ ...target, alpn: renewAlpn, timeoutMs, clock })
  try {
    const server = authenticatedPeer(socket, trustOf(identity, clock.nowMs()))
    if ('refused' in server) throw notTrusted(server.refused)
    if (server.nodeId !== options.manager) throw notTrusted('another node answered')
    socket.write(controlFrame(options.request))
    const schema = renewalReply
    const maxBytes = maxRenewalReplyBytes
    const reply = await readControlMessage(socket, { schema, maxBytes, timeoutMs, clock })
    if (reply.kind === 'issued') checkIssued(reply, options)
    return reply
  } finally {
    socket.destroy()
  }
}

/** It must be a certificate for us, by an authority that we trust: we could not use another one. */
function checkIssued(reply: RenewalIssued, { identity, clock }: RenewalOptions): void {
  const chain = readChain(reply.certificatePem)
  if (chain === null) throw notTrusted('the certificate cannot be read')
  if (!reply.caCertificatesPem.every((pem) => readChain(pem)?.length === 1)) {
    throw notTrusted('an authority cannot be read')
  }
  const [leaf, ...above] = chain
  const self = verifyPeer(leaf?.raw, trustOf(identity, clock.nowMs()), above)
  if ('refused' in self) throw notTrusted(self.refused)
  if (self.nodeId !== identity.nodeId || self.peerId !== identity.peerId) {
    throw notTrusted('the certificate names somebody else')
  }
  if (self.role !== reply.role) throw notTrusted('the certificate names another role')
}

const notTrusted = (reason: string): MeshError =>
  new MeshError({ code: 'renewal/not-trusted', reason })
