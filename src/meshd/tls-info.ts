import { issuerOfNode } from '../../mesh/identity/issuer.ts'
import type { NodeIdentity } from '../../mesh/identity/node-identity.ts'
import type { TlsInfo } from '../model/docker.ts'

/** What the node shows of its own certificate. */
export function tlsInfoOf(identity: NodeIdentity): TlsInfo {
  const issuer = issuerOfNode(identity)
  return {
    TrustRoot: identity.caCertificatesPem.join(''),
    CertIssuerSubject: base64(issuer?.subject),
    CertIssuerPublicKey: base64(issuer?.publicKey),
  }
}

const base64 = (bytes: Uint8Array | undefined): string =>
  bytes === undefined ? '' : Buffer.from(bytes).toString('base64')
