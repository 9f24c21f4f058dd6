import * as z from 'zod'
import type { NodeId, NodeRole } from '../base/ids.ts'
import { certificateRequest, chainText, type CertificateRequest } from './join-message.ts'
import { nodeIdText } from './member-address.ts'

export const maxRenewalRequestBytes = 4096
export const maxRenewalReplyBytes = 128 * 1024

/**
 * A member asks a manager what it is now, and for a certificate that says so. The proofs in the
 * request count, not the connection: a node whose certificate ran out, or that was removed while it
 * was away, must get an answer, too. A certificate is of use only to whoever holds its keys.
 */
export interface RenewalRequest {
  readonly version: 1
  readonly node: NodeId
  readonly certificateRequest: CertificateRequest
}

export interface RenewalIssued {
  readonly kind: 'issued'
  /** What the catalog says the node is. */
  readonly role: NodeRole
  /** By which Raft knows it, when it is a manager. */
  readonly raftId: number
  /** Followed by what leads from it to an authority. */
  readonly certificatePem: string
  readonly caCertificatesPem: readonly string[]
}

export type RenewalReply =
  | RenewalIssued
  /** The catalog does not know that node: it was removed from the cluster. */
  | { readonly kind: 'removed' }
  /** Not yet: ask again soon. */
  | { readonly kind: 'wait'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string }

export const renewalRequest: z.ZodType<RenewalRequest> = z.object({
  version: z.literal(1),
  node: nodeIdText,
  certificateRequest,
})

const pem = z.string().min(1).max(8192)
const reason = z.string().max(1000)

export const renewalReply: z.ZodType<RenewalReply> = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('issued'),
    role: z.enum(['manager', 'worker']),
    raftId: z.int().positive(),
    certificatePem: chainText,
    caCertificatesPem: z.array(pem).min(1).max(4),
  }),
  z.object({ kind: z.literal('removed') }),
  z.object({ kind: z.literal('wait'), reason }),
  z.object({ kind: z.literal('refused'), reason }),
])
