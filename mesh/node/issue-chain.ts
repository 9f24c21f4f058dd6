import type { PresentAuthority } from '../catalog/policy.ts'
import { issueCertificate, type LeafSubject } from '../identity/certificate-authority.ts'

/** A node's certificate, and what leads from it to authorities that others may know. */
export function issueChain(
  { signerPem, caKeyPem, chainPem }: PresentAuthority,
  subject: LeafSubject,
  nowMs: number,
): string {
  const signer = { caCertificatePem: signerPem, caKeyPem }
  return [issueCertificate(signer, subject, nowMs), ...chainPem].join('')
}
