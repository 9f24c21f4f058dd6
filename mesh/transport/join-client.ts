import type { TLSSocket } from 'node:tls'
import type { Clock } from '../base/clock.ts'
import { MeshError } from '../base/mesh-error.ts'
import { caDigest, parseJoinToken, type JoinToken } from '../identity/join-token.ts'
import { readChain } from '../identity/pem.ts'
import { shownCertificates } from '../identity/tls-options.ts'
import { clusterOf, verifyPeer } from '../identity/verify-peer.ts'
import {
  joinReply,
  maxJoinReplyBytes,
  type JoinAccepted,
  type JoinReply,
  type JoinRequest,
} from '../wire/join-message.ts'
import { controlFrame, dialControl, joinAlpn, readControlMessage } from './control-protocol.ts'

/** Beyond this the two clocks are reported: certificates and logs would contradict each other. */
const maxClockDifferenceMs = 5000

export interface JoinOptions {
  /** As the operator typed it. */
  readonly token: string
  readonly host: string
  readonly port: number
  readonly request: Omit<JoinRequest, 'version' | 'secret'>
  /** For the whole exchange; the server writes to the cluster before it answers. */
  readonly timeoutMs: number
  readonly clock: Clock
}

export interface JoinResult {
  readonly accepted: JoinAccepted
  /** How far the server's clock is ahead of ours, when that is more than 5 s. */
  readonly clockWarning?: { readonly differenceMs: number }
}

/**
 * Joins through a manager. The secret leaves this machine only after the server has shown a
 * certificate of the very authority that the token names.
 * Rejects with `join/token-malformed`, `join/unreachable`, `join/other-cluster`,
 * `join/server-not-trusted`, `join/refused` or `join/bad-reply`.
 */
export async function requestJoin(options: JoinOptions): Promise<JoinResult> {
  const token = parseJoinToken(options.token)
  if ('refused' in token) {
    throw new MeshError({ code: 'join/token-malformed', reason: token.refused })
  }
  const deadlineMs = options.clock.monotonicMs() + options.timeoutMs
  const socket = await openSocket(options)
  try {
    const clusterId = checkServer(socket, token, options.clock.nowMs())
    const request: JoinRequest = { ...options.request, version: 1, secret: token.secret }
    socket.write(controlFrame(request))
    const timeoutMs = Math.max(1, deadlineMs - options.clock.monotonicMs())
    const reply = await readReply(socket, { ...options, timeoutMs })
    if (reply.kind === 'refused') {
      throw new MeshError({ code: 'join/refused', reason: reply.reason })
    }
    checkReply(reply, { token, clusterId, peerId: request.certificateRequest.peerId, options })
    const differenceMs = Math.round(reply.nowMs - options.clock.nowMs())
    return Math.abs(differenceMs) > maxClockDifferenceMs
      ? { accepted: reply, clockWarning: { differenceMs } }
      : { accepted: reply }
  } finally {
    socket.destroy()
  }
}

async function openSocket({ host, port, timeoutMs, clock }: JoinOptions): Promise<TLSSocket> {
  try {
    // No authority is known yet: `checkServer` verifies, before anything is sent.
    return await dialControl({ host, port, alpn: joinAlpn, timeoutMs, clock })
  } catch (error) {
    const reason = error instanceof MeshError ? error.fault['reason'] : String(error)
    throw new MeshError({ code: 'join/unreachable', host, port, reason }, { cause: error })
  }
}

/** The id of the cluster that the server belongs to, once it is the token's cluster. */
function checkServer(socket: TLSSocket, token: JoinToken, nowMs: number): string {
  const [leaf, ...above] = shownCertificates(socket)
  const clusterId = leaf === undefined ? null : clusterOf(leaf)
  if (socket.alpnProtocol !== joinAlpn || clusterId === null || above.length === 0) {
    throw new MeshError({ code: 'join/server-not-trusted', reason: 'not a node of a cluster' })
  }
  const authority = above.map(String).find((pem) => caDigest(pem) === token.caDigest)
  if (authority === undefined) {
    throw new MeshError({
      code: 'join/other-cluster',
      reason: 'the server belongs to another cluster than the token, or the token is out of date',
    })
  }
  const server = verifyPeer(leaf?.raw, { caCertificatesPem: [authority], clusterId, nowMs }, above)
  const reason = 'refused' in server ? server.refused : null
  if (reason !== null) throw new MeshError({ code: 'join/server-not-trusted', reason })
  return clusterId
}

async function readReply(socket: TLSSocket, options: JoinOptions): Promise<JoinReply> {
  const { timeoutMs, clock } = options
  try {
    return await readControlMessage(socket, {
      schema: joinReply,
      maxBytes: maxJoinReplyBytes,
      timeoutMs,
      clock,
    })
  } catch (error) {
    const reason = error instanceof MeshError ? error.fault['reason'] : String(error)
    throw new MeshError({ code: 'join/bad-reply', reason }, { cause: error })
  }
}

interface Expected {
  readonly token: JoinToken
  readonly clusterId: string
  readonly peerId: string
  readonly options: JoinOptions
}

/** What we got must be a certificate of this cluster for us: we could not use another one. */
function checkReply(reply: JoinAccepted, expected: Expected): void {
  const { token, clusterId, peerId, options } = expected
  const [leaf, ...above] = readChain(reply.certificatePem) ?? []
  const authorities = reply.caCertificatesPem.map(readChain)
  if (leaf === undefined || !authorities.every((each) => each?.length === 1)) {
    throw badReply('a certificate cannot be read')
  }
  const pinned = reply.caCertificatesPem.find((pem) => caDigest(pem) === token.caDigest)
  if (pinned === undefined) throw badReply('another authority')
  const trust = { caCertificatesPem: [pinned], clusterId, nowMs: options.clock.nowMs() }
  const self = verifyPeer(leaf.raw, trust, above)
  if ('refused' in self) throw badReply(self.refused)
  if (self.nodeId !== reply.nodeId || self.peerId !== peerId || self.role !== reply.role) {
    throw badReply('the certificate names somebody else')
  }
}

const badReply = (reason: string): MeshError => new MeshError({ code: 'join/bad-reply', reason })
