import { X509Certificate } from 'node:crypto'
import { readParts } from './certificate-parts.ts'
import { toBytes } from './der.ts'
import type { NodeIdentity } from './node-identity.ts'
import { readChain } from './pem.ts'
import { isIssuedBy } from './verify-peer.ts'

/** Of an authority, DER: by these two it is told from others, whatever certificates it has. */
export interface Issuer {
  readonly subject: Uint8Array
  readonly publicKey: Uint8Array
}

export const issuerOf = (authorityPem: string): Issuer =>
  describeIssuer(new X509Certificate(authorityPem))

/** Who issued the node's certificate, as far as the node knows; null when it does not. */
export function issuerOfNode({ certificatePem, caCertificatesPem }: NodeIdentity): Issuer | null {
  const [leaf, ...above] = readChain([certificatePem, ...caCertificatesPem].join('')) ?? []
  const issuer = above.find((each) => leaf !== undefined && isIssuedBy(leaf, each))
  return issuer === undefined ? null : describeIssuer(issuer)
}

const describeIssuer = (authority: X509Certificate): Issuer => ({
  subject: toBytes(readParts(authority).subject),
  publicKey: authority.publicKey.export({ type: 'spki', format: 'der' }),
})
