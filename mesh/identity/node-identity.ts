import * as z from 'zod'
import { X509Certificate } from 'node:crypto'
import { isId, nodeId, type NodeId, type NodeRole } from '../base/ids.ts'
import type { JsonObject } from '../base/json.ts'
import type { Random } from '../base/random.ts'
import { caDigest } from './join-token.ts'
import { isIssuedBy } from './verify-peer.ts'

const formerKept = 8

/** All that a node needs to prove itself, and to check others. */
export interface NodeIdentity {
  readonly nodeId: NodeId
  readonly clusterId: string
  readonly role: NodeRole
  readonly peerId: string
  /** Followed by what leads from it to an authority that others may know. */
  readonly certificatePem: string
  readonly tlsKeyPem: string
  /** More than one while the authority is being replaced. */
  readonly caCertificatesPem: readonly string[]
  /** Digests of authorities that are trusted no more, the latest first: join tokens of before name them. */
  readonly formerDigests?: readonly string[]
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
    formerDigests: z.array(z.string()).max(formerKept).optional(),
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
    ...(file.formerDigests !== undefined && { formerDigests: file.formerDigests }),
    libp2pPrivateKey: file.libp2pPrivateKey,
  }))

/** The same node with other roots; it still knows those that it had, by their digests. */
export function withAuthorities(
  identity: NodeIdentity,
  caCertificatesPem: readonly string[],
): NodeIdentity {
  const dropped = identity.caCertificatesPem.filter((pem) => !caCertificatesPem.includes(pem))
  if (dropped.length === 0) return { ...identity, caCertificatesPem }
  const known = [...dropped.map(caDigest), ...(identity.formerDigests ?? [])]
  return { ...identity, caCertificatesPem, formerDigests: known.slice(0, formerKept) }
}

function isCertificate(text: string): boolean {
  try {
    return new X509Certificate(text).raw.length > 0
  } catch {
    return false
  }
}

/** Whether that authority has issued the node's certificate. */
export const isIssuedWith = ({ certificatePem }: NodeIdentity, signerPem: string): boolean =>
  isIssuedBy(new X509Certificate(certificatePem), new X509Certificate(signerPem))

/** When to ask for the next certificate: drawn between 50 and 80 % of this one's life. */
export function renewalTimeMs(certificatePem: string, random: Random): number {
  const certificate = new X509Certificate(certificatePem)
  const fromMs = certificate.validFromDate.getTime()
  const lifeMs = certificate.validToDate.getTime() - fromMs
  return fromMs + (lifeMs * (500 + random.below(301))) / 1000
}
