import { assert } from '../../mesh/base/assert.ts'
import type { PresentAuthority } from '../../mesh/catalog/policy.ts'
import type { CatalogReader } from '../../mesh/catalog/types.ts'
import { createAuthority, crossSign } from '../../mesh/identity/certificate-authority.ts'
import {
  readNextAuthority,
  type AuthorityRefused,
  type NextAuthority,
} from '../../mesh/identity/next-authority.ts'
import type { NextRoot } from '../model/authority-rotation.ts'
import { meshPolicy } from '../model/mesh-policy.ts'

/** PEM, as an operator made them. */
interface GivenAuthority {
  readonly certificatesPem: string
  readonly keyPem: string
}

/** What the cluster's authority becomes: the one that was given, or a new one; the present one vouches for it. */
export function nextRoot(
  given: GivenAuthority | null,
  catalog: CatalogReader,
  drawn: { readonly id: string; readonly nowMs: number },
): NextRoot | AuthorityRefused {
  const { id, nowMs } = drawn
  const present = meshPolicy.authority(catalog)
  assert(present !== null, 'a manager knows the authority')
  const next = given === null ? newAuthority(present, nowMs) : readNextAuthority(given, nowMs)
  if ('refused' in next) return next
  const { signer, rootPem } = next
  const { signerPem, caKeyPem } = present
  if (signer.caCertificatePem === signerPem) {
    return { refused: 'it is the authority of this cluster already' }
  }
  const former = { caCertificatePem: signerPem, caKeyPem }
  return {
    id,
    rootPem,
    signerPem: signer.caCertificatePem,
    crossPem: crossSign(former, signer.caCertificatePem, nowMs),
    keyPem: signer.caKeyPem,
  }
}

function newAuthority({ clusterId }: PresentAuthority, nowMs: number): NextAuthority {
  const signer = createAuthority(clusterId, nowMs)
  return { signer, rootPem: signer.caCertificatePem }
}
