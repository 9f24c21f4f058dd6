import { createHash, randomInt, timingSafeEqual, X509Certificate } from 'node:crypto'
import { assert } from '../base/assert.ts'

const digestLength = 50
const secretLength = 25

/** What an operator carries from a member to a newcomer: which cluster, and the right to join it. */
export interface JoinToken {
  /** Base 36, 50 characters: pins the cluster's authority. */
  readonly caDigest: string
  /** Base 36, 25 characters: one a role. */
  readonly secret: string
}

export function formatJoinToken(token: JoinToken): string {
  return `SWMTKN-1-${token.caDigest}-${token.secret}`
}

/** Strict: a token that was cut or mistyped says what is wrong with it. */
export function parseJoinToken(text: string): JoinToken | { readonly refused: string } {
  const parts = text.trim().split('-')
  const [prefix, version, digest, secret] = parts
  if (prefix !== 'SWMTKN') return { refused: 'a join token starts with SWMTKN-1-' }
  if (version !== '1') return { refused: `token version ${version ?? ''} is not known, only 1` }
  if (parts.length !== 4 || digest === undefined || secret === undefined) {
    return { refused: 'a join token has four parts, separated by "-"' }
  }
  if (!isBase36(digest, digestLength)) {
    return { refused: `the third part must have ${digestLength} characters 0-9, a-z` }
  }
  if (!isBase36(secret, secretLength)) {
    return { refused: `the fourth part must have ${secretLength} characters 0-9, a-z` }
  }
  return { caDigest: digest, secret }
}

/** SHA-256 of the authority's certificate (DER), as the token carries it. */
export function caDigest(caCertificatePem: string): string {
  const { raw } = new X509Certificate(caCertificatePem)
  const hex = createHash('sha256').update(raw).digest('hex')
  const digest = BigInt(`0x${hex}`).toString(36).padStart(digestLength, '0')
  assert(digest.length === digestLength, '256 bits fit 50 base-36 characters')
  return digest
}

export function drawJoinSecret(): string {
  let secret = ''
  for (let at = 0; at < secretLength; at++) secret += randomInt(36).toString(36)
  return secret
}

/** In a time that tells nothing about where two secrets differ, or how long they are. */
export function isSameSecret(one: string, other: string): boolean {
  return timingSafeEqual(sha256(one), sha256(other))
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest()

const isBase36 = (text: string, length: number): boolean =>
  text.length === length && /^[0-9a-z]+$/.test(text)
