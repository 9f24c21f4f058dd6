import { constants, type X509Certificate } from 'node:crypto'
import type { ConnectionOptions, SecureContextOptions, TlsOptions, TLSSocket } from 'node:tls'
import type { NodeIdentity } from './node-identity.ts'
import type { PeerIdentity } from './peer-identity.ts'
import { verifyPeer, type PeerRefused, type PeerTrust } from './verify-peer.ts'

/** Both ends of a connection between members. Callers must ask `authenticatedPeer` before they use it. */
const memberOptions = (identity: NodeIdentity): SecureContextOptions => ({
  cert: certificateChain(identity),
  key: identity.tlsKeyPem,
  ca: [...identity.caCertificatesPem],
  minVersion: 'TLSv1.3',
})

/** Leaf, what leads from it to an authority, then that: a newcomer checks the token's digest. */
const certificateChain = (identity: NodeIdentity): string =>
  [identity.certificatePem, ...identity.caCertificatesPem].join('')

export interface MemberTlsOptions {
  readonly alpn: readonly string[]
}

/**
 * For `tls.createServer` or a server-side `TLSSocket` that speaks with members only. No tickets: a
 * resumed session would carry a trust that was checked in the past.
 */
export function serverTlsOptions(identity: NodeIdentity, given: MemberTlsOptions): TlsOptions {
  return {
    ...memberOptions(identity),
    ALPNProtocols: [...given.alpn],
    requestCert: true,
    rejectUnauthorized: true,
    secureOptions: constants.SSL_OP_NO_TICKET,
    handshakeTimeout: 5000,
  }
}

/** For `tls.connect` to a member; its name is checked by `authenticatedPeer`, not by TLS. */
export function clientTlsOptions(
  identity: NodeIdentity,
  given: MemberTlsOptions,
): ConnectionOptions {
  return {
    ...memberOptions(identity),
    ALPNProtocols: [...given.alpn],
    rejectUnauthorized: true,
    checkServerIdentity: () => undefined,
  }
}

/** Why a handshake failed: OpenSSL's own words, without the places in its sources. */
export const handshakeFault = (error: Error): string =>
  'reason' in error && typeof error.reason === 'string' ? error.reason : error.message

/** What of an identity is trusted, at a moment. */
export const trustOf = (identity: NodeIdentity, nowMs: number): PeerTrust => ({
  caCertificatesPem: identity.caCertificatesPem,
  clusterId: identity.clusterId,
  nowMs,
})

/** Who is at the other end, verified by hand; after `secure`, `secureConnect` or `secureConnection`. */
export function authenticatedPeer(socket: TLSSocket, trust: PeerTrust): PeerIdentity | PeerRefused {
  const [certificate, ...shown] = shownCertificates(socket)
  return verifyPeer(certificate?.raw, trust, shown)
}

/** More than any node shows: a peer must not make us read for ever. */
const maxShown = 16

/** What the peer showed, in its order, its own first; nothing of it is verified. */
export function shownCertificates(socket: TLSSocket): readonly X509Certificate[] {
  const shown: X509Certificate[] = []
  let next = socket.getPeerX509Certificate()
  while (next !== undefined && shown.length < maxShown) {
    shown.push(next)
    next = next.issuerCertificate
  }
  return shown
}
