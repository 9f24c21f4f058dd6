import { X509Certificate } from 'node:crypto'
import { isId, nodeId, type NodeRole } from '../base/ids.ts'
import { keyDigest } from './key-digest.ts'
import type { PeerIdentity } from './peer-identity.ts'

/** Against what a peer's certificate is held. */
export interface PeerTrust {
  /** More than one while the authority is being replaced. */
  readonly caCertificatesPem: readonly string[]
  readonly clusterId: string
  readonly nowMs: number
}

export interface PeerRefused {
  readonly refused: string
}

const maxCertificateBytes = 8192
/** An intermediate, some cross certificates and roots; beyond that nobody is listened to. */
const maxShown = 8
const peerIdPattern = /^[A-Za-z0-9]{40,70}$/

/**
 * The one place where a certificate becomes an identity. Done by hand on both sides of every
 * connection, since a raw `TLSSocket` on the server side accepts a foreign authority's certificate,
 * and a resumed session skips `checkServerIdentity`. `shown` is what the peer says leads from its
 * certificate to an authority that we trust: an intermediate, or that authority's word for its
 * successor.
 */
export function verifyPeer(
  rawDer: Uint8Array | undefined,
  trust: PeerTrust,
  shown: readonly X509Certificate[] = [],
): PeerIdentity | PeerRefused {
  if (rawDer === undefined || rawDer.length === 0) return { refused: 'no certificate' }
  if (rawDer.length > maxCertificateBytes) return { refused: 'the certificate is too large' }
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(rawDer)
  } catch {
    return { refused: 'the certificate cannot be read' }
  }
  if (!isTrusted(certificate, trust, shown)) {
    return { refused: 'not issued by the authority of this cluster' }
  }
  if (certificate.ca) return { refused: 'the certificate of an authority is not a node' }
  const dates = checkDates(certificate, trust.nowMs)
  return dates ?? readIdentity(certificate, trust.clusterId)
}

/**
 * Whether a way leads from the certificate to an authority that we trust. Each certificate that is
 * shown is taken at most once, so there is an end to it. An authority's path length does not count
 * here: its successor stands beside it, not under it.
 */
function isTrusted(
  certificate: X509Certificate,
  { caCertificatesPem, nowMs }: PeerTrust,
  shown: readonly X509Certificate[],
): boolean {
  const authorities = caCertificatesPem.map((pem) => new X509Certificate(pem))
  let left = shown.slice(0, maxShown).filter((each) => mayIssue(each, nowMs))
  let reached = [certificate]
  while (reached.length > 0) {
    const ends = reached
    if (authorities.some((authority) => ends.some((each) => isIssuedBy(each, authority)))) {
      return true
    }
    reached = left.filter((issuer) => ends.some((each) => isIssuedBy(each, issuer)))
    left = left.filter((each) => !reached.includes(each))
  }
  return false
}

function mayIssue(certificate: X509Certificate, nowMs: number): boolean {
  const isSmall = certificate.raw.length <= maxCertificateBytes
  return isSmall && certificate.ca && checkDates(certificate, nowMs) === null
}

/** Names, key identifiers and signature; says nothing about dates. */
export function isIssuedBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey)
}

function checkDates(certificate: X509Certificate, nowMs: number): PeerRefused | null {
  if (nowMs < certificate.validFromDate.getTime()) {
    return { refused: `the certificate is not valid before ${certificate.validFrom}` }
  }
  if (nowMs > certificate.validToDate.getTime()) {
    return { refused: `the certificate expired on ${certificate.validTo}` }
  }
  return null
}

function readIdentity(certificate: X509Certificate, clusterId: string): PeerIdentity | PeerRefused {
  const names = readNames(certificate.subjectAltName ?? '')
  if (names === null) return { refused: 'the certificate does not name exactly one node' }
  if (names.cluster !== clusterId) return { refused: 'the certificate is of another cluster' }
  return {
    nodeId: nodeId(names.node),
    clusterId,
    role: names.role,
    peerId: names.peer,
    serial: certificate.serialNumber.toLowerCase(),
    keyDigest: keyDigest(certificate.publicKey.export({ type: 'spki', format: 'der' })),
    notAfterMs: certificate.validToDate.getTime(),
  }
}

/** Of which cluster the certificate says to be, nothing of it verified; null when of none. */
export const clusterOf = (certificate: X509Certificate): string | null =>
  readNames(certificate.subjectAltName ?? '')?.cluster ?? null

interface Names {
  readonly cluster: string
  readonly node: string
  readonly peer: string
  readonly role: NodeRole
}

/** Null unless there is exactly one node, one peer id and one role among the alternative names. */
function readNames(subjectAltName: string): Names | null {
  // Node quotes a name in which a separator could hide; none of ours needs quotes.
  if (subjectAltName.includes('"')) return null
  const entries = subjectAltName.split(', ')
  const [, cluster, node] = onlyMatch(entries, /^URI:spiffe:\/\/([^/]*)\/node\/([^/]*)$/) ?? []
  const [, peer] = onlyMatch(entries, /^URI:meshd:peer:(.*)$/) ?? []
  const [, role] = onlyMatch(entries, /^URI:meshd:role:(.*)$/) ?? []
  const spiffeNames = entries.filter((entry) => entry.startsWith('URI:spiffe:'))
  if (spiffeNames.length !== 1 || cluster === undefined || node === undefined) return null
  if (!isId(cluster) || !isId(node)) return null
  if (peer === undefined || !peerIdPattern.test(peer)) return null
  if (role !== 'manager' && role !== 'worker') return null
  return { cluster, node, peer, role }
}

function onlyMatch(entries: readonly string[], pattern: RegExp): RegExpExecArray | null {
  const matches = entries.map((entry) => pattern.exec(entry)).filter((match) => match !== null)
  return matches.length === 1 ? (matches[0] ?? null) : null
}
