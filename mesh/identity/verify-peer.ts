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
const peerIdPattern = /^[A-Za-z0-9]{40,70}$/

/**
 * The one place where a certificate becomes an identity. Done by hand on both sides of every
 * connection, since a raw `TLSSocket` on the server side accepts a foreign authority's certificate,
 * and a resumed session skips `checkServerIdentity`.
 */
export function verifyPeer(
  rawDer: Uint8Array | undefined,
  trust: PeerTrust,
): PeerIdentity | PeerRefused {
  if (rawDer === undefined || rawDer.length === 0) return { refused: 'no certificate' }
  if (rawDer.length > maxCertificateBytes) return { refused: 'the certificate is too large' }
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(rawDer)
  } catch {
    return { refused: 'the certificate cannot be read' }
  }
  if (!trust.caCertificatesPem.some((pem) => isIssuedBy(certificate, new X509Certificate(pem)))) {
    return { refused: 'not issued by the authority of this cluster' }
  }
  if (certificate.ca) return { refused: 'the certificate of an authority is not a node' }
  const dates = checkDates(certificate, trust.nowMs)
  return dates ?? readIdentity(certificate, trust.clusterId)
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
