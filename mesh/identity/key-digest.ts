import { createHash } from 'node:crypto'

/** SHA-256 of a SubjectPublicKeyInfo (DER), hexadecimal: names a key, also through renewals. */
export const keyDigest = (publicKey: Uint8Array): string =>
  createHash('sha256').update(publicKey).digest('hex')
