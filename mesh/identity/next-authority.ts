import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import type { Authority } from './certificate-authority.ts'
import { readParts } from './certificate-parts.ts'
import { splitCertificates } from './pem.ts'
import { isIssuedBy } from './verify-peer.ts'

/** An authority as an operator made it; who signs is the root, or one that the root vouches for. */
export interface NextAuthority {
  readonly signer: Authority
  readonly rootPem: string
}

export interface AuthorityRefused {
  readonly refused: string
}

const maxTextLength = 64 * 1024
/** A node's certificate ends with its authority: less than this and none would last. */
const lifeLeftMsMin = 24 * 3600 * 1000
const rsaBitsMin = 2048
const curves = ['prime256v1', 'secp384r1', 'secp521r1']
const signatureAlgorithms: Readonly<Record<string, string>> = {
  '1.2.840.10045.4.3.2': 'ECDSA with SHA-256',
  '1.2.840.10045.4.3.3': 'ECDSA with SHA-384',
  '1.2.840.10045.4.3.4': 'ECDSA with SHA-512',
  '1.2.840.113549.1.1.11': 'RSA with SHA-256',
  '1.2.840.113549.1.1.12': 'RSA with SHA-384',
  '1.2.840.113549.1.1.13': 'RSA with SHA-512',
}

/**
 * What an operator gave: the certificate that signs, after it the root when that is another one,
 * and the key of the first. Says what is wrong with it, never what stands in the key.
 */
export function readNextAuthority(
  given: { readonly certificatesPem: string; readonly keyPem: string },
  nowMs: number,
): NextAuthority | AuthorityRefused {
  if (given.certificatesPem.length > maxTextLength || given.keyPem.length > maxTextLength) {
    return { refused: 'the certificate or the key is too long' }
  }
  const chain = readChain(given.certificatesPem)
  if ('refused' in chain) return chain
  const key = readKey(given.keyPem)
  if (key === null) return { refused: 'the key cannot be read; it must be PEM and not encrypted' }
  for (const certificate of chain.certificates) {
    const fault = faultOf(certificate, nowMs)
    if (fault !== null) return { refused: `${nameOf(certificate)} ${fault}` }
  }
  const { signer, root } = chain
  if (!signer.checkPrivateKey(key)) {
    return { refused: `the key is not that of the first certificate, ${nameOf(signer)}` }
  }
  const broken = breakIn(signer, root)
  if (broken !== null) return { refused: broken }
  const caKeyPem = key.export({ type: 'pkcs8', format: 'pem' })
  return {
    signer: { caCertificatePem: signer.toString(), caKeyPem },
    rootPem: root.toString(),
  }
}

interface Chain {
  readonly certificates: readonly X509Certificate[]
  readonly signer: X509Certificate
  readonly root: X509Certificate
}

function readChain(text: string): Chain | AuthorityRefused {
  const texts = splitCertificates(text)
  if (texts.length > 2) {
    return { refused: `${texts.length} certificates are too many: one that signs, then its root` }
  }
  try {
    const certificates = texts.map((each) => new X509Certificate(each))
    const [signer, root = signer] = certificates
    if (signer === undefined || root === undefined) return { refused: 'there is no certificate' }
    return { certificates, signer, root }
  } catch {
    return { refused: 'a certificate cannot be read' }
  }
}

function readKey(text: string): KeyObject | null {
  try {
    return createPrivateKey(text)
  } catch {
    return null
  }
}

/** What keeps it from being an authority, as the end of a sentence about it. */
function faultOf(certificate: X509Certificate, nowMs: number): string | null {
  if (!certificate.subject) return 'has no name'
  if (!certificate.ca || partsOf(certificate) === null) {
    return 'is not a certificate authority (basicConstraints CA:TRUE, keyUsage keyCertSign)'
  }
  if (nowMs < certificate.validFromDate.getTime()) {
    return `is not valid before ${certificate.validFrom}`
  }
  if (nowMs + lifeLeftMsMin > certificate.validToDate.getTime()) {
    return `expires or expired on ${certificate.validTo}; it must last a day at least`
  }
  const { signatureAlgorithmOid, signatureAlgorithm } = certificate
  if (signatureAlgorithms[signatureAlgorithmOid] === undefined) {
    return `is signed with ${signatureAlgorithm}; use one of ${Object.values(signatureAlgorithms).join(', ')}`
  }
  return keyFault(certificate.publicKey)
}

function keyFault({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string | null {
  const { namedCurve = '', modulusLength = 0 } = asymmetricKeyDetails ?? {}
  if (asymmetricKeyType === 'ec' && curves.includes(namedCurve)) return null
  if (asymmetricKeyType === 'rsa' && modulusLength >= rsaBitsMin) return null
  return `has a key of another kind than RSA (from ${rsaBitsMin} bits) or EC (P-256, P-384, P-521)`
}

/** Why the one does not stand under the other, or the other not on its own feet. */
function breakIn(signer: X509Certificate, root: X509Certificate): string | null {
  if (!isIssuedBy(root, root)) {
    return `${nameOf(root)} is not a root (self-signed); add the root after it`
  }
  if (signer === root) return null
  if (!isIssuedBy(signer, root)) return `${nameOf(signer)} was not issued by ${nameOf(root)}`
  if (partsOf(root)?.pathLength === 0) {
    return `${nameOf(root)} allows no authority under it (its path length is 0)`
  }
  return null
}

function partsOf(certificate: X509Certificate): ReturnType<typeof readParts> | null {
  try {
    return readParts(certificate)
  } catch {
    return null
  }
}

const nameOf = ({ subject }: X509Certificate): string =>
  (subject || 'a certificate').replaceAll('\n', ', ')
