import * as z from 'zod'
import { X509Certificate } from 'node:crypto'
import { isId, nodeId, type NodeId, type NodeRole } from '../base/ids.ts'
import type { JsonObject } from '../base/json.ts'
import type { Random } from '../base/random.ts'

/** All that a node needs to prove itself, and to check others. */
export interface NodeIdentity {
  readonly nodeId: NodeId
  readonly clusterId: string
  readonly role: NodeRole
  readonly peerId: string
  readonly certificatePem: string
  readonly tlsKeyPem: string
  /** More than one while the authority is being replaced. */
  readonly caCertificatesPem: readonly string[]
  /** Ed25519, in libp2p's protobuf form. */
  readonly libp2pPrivateKey: Uint8Array
}

/** The identity as a file's content; writing it (0600) is the caller's. */
export function encodeIdentity(identity: NodeIdentity): JsonObject {
  return {
    version: 1,
    ...identity,
    libp2pPrivateKey: Buffer.from(identity.libp2pPrivateKey).toString('base64'),
  }
}

const id = z.string().refine(isId, 'must be an id of 25 base-36 characters')
const pem = z.string().startsWith('-----BEGIN ')

/** Reads what `encodeIdentity` wrote; unknown keys and damaged certificates are errors. */
export const identityFile: z.ZodType<NodeIdentity> = z
  .strictObject({
    version: z.literal(1),
    nodeId: id.transform((text) => nodeId(text)),
    clusterId: id,
    role: z.enum(['manager', 'worker']),
    peerId: z.string(),
    certificatePem: pem.refine(isCertificate, 'must be a certificate'),
    tlsKeyPem: pem,
    caCertificatesPem: z.array(pem.refine(isCertificate, 'must be a certificate')).min(1),
    libp2pPrivateKey: z.base64().transform((text) => Uint8Array.from(Buffer.from(text, 'base64'))),
  })
  .transform((file) => ({
    nodeId: file.nodeId,
    clusterId: file.clusterId,
    role: file.role,
    peerId: file.peerId,
    certificatePem: file.certificatePem,
    tlsKeyPem: file.tlsKeyPem,
    caCertificatesPem: file.caCertificatesPem,
    libp2pPrivateKey: file.libp2pPrivateKey,
  }))

function isCertificate(text: string): boolean {
  try {
    return new X509Certificate(text).raw.length > 0
  } catch {
    return false
  }
}

/** When to ask for the next certificate: drawn between 50 and 80 % of this one's life. */
export function renewalTimeMs(certificatePem: string, random: Random): number {
  const certificate = new X509Certificate(certificatePem)
  const fromMs = certificate.validFromDate.getTime()
  const lifeMs = certificate.validToDate.getTime() - fromMs
  return fromMs + (lifeMs * (500 + random.below(301))) / 1000
}
