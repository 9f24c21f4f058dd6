import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto'
import { privateKeyFromProtobuf } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import { assert } from '../base/assert.ts'
import type { CertificateRequest } from '../wire/join-message.ts'
import type { NodeKeys } from './node-keys.ts'

/** Asks for a certificate, and proves that both keys are ours. */
export function createCertificateRequest(keys: NodeKeys): CertificateRequest {
  const libp2pKey = privateKeyFromProtobuf(keys.libp2pPrivateKey)
  assert(libp2pKey.type === 'Ed25519', 'a node key is Ed25519')
  const peerId = peerIdFromPrivateKey(libp2pKey).toString()
  const tlsKey = createPublicKey(keys.tlsKeyPem)
  const publicKey = base64(tlsKey.export({ type: 'spki', format: 'der' }))
  const said = statement(peerId, publicKey)
  return {
    peerId,
    publicKey,
    tlsProof: base64(sign('sha256', said, createPrivateKey(keys.tlsKeyPem))),
    peerProof: base64(sign(null, said, ed25519Private(libp2pKey.raw))),
  }
}

export interface ProvenKeys {
  readonly peerId: string
  /** SubjectPublicKeyInfo of the TLS key, DER. */
  readonly publicKey: Uint8Array
}

/** The keys that a request proves, or why it proves nothing. Never throws. */
export function checkCertificateRequest(
  request: CertificateRequest,
): ProvenKeys | { readonly refused: string } {
  const { peerId, publicKey } = request
  const said = statement(peerId, publicKey)
  try {
    const tlsKey = createPublicKey({ key: bytes(publicKey), type: 'spki', format: 'der' })
    if (tlsKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
      return { refused: 'the TLS key is not P-256' }
    }
    if (!verify('sha256', said, tlsKey, bytes(request.tlsProof))) {
      return { refused: 'the request is not signed by its TLS key' }
    }
    const peerKey = peerIdFromString(peerId).publicKey
    if (peerKey?.type !== 'Ed25519') return { refused: 'the peer id is not of an Ed25519 key' }
    if (!verify(null, said, ed25519Public(peerKey.raw), bytes(request.peerProof))) {
      return { refused: 'the request is not signed by the key of its peer id' }
    }
    const spki = tlsKey.export({ type: 'spki', format: 'der' })
    return { peerId, publicKey: Uint8Array.from(spki) }
  } catch {
    return { refused: 'the request cannot be read' }
  }
}

/** Names both keys, so that neither signature can be used with another partner. */
const statement = (peerId: string, publicKey: string): Uint8Array =>
  Buffer.from(`meshd certificate request 1\n${peerId}\n${publicKey}`)

const base64 = (data: Uint8Array): string => Buffer.from(data).toString('base64')
const bytes = (text: string): Buffer => Buffer.from(text, 'base64')
const base64url = (data: Uint8Array): string => Buffer.from(data).toString('base64url')

const ed25519Public = (raw: Uint8Array): KeyObject =>
  createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: base64url(raw) }, format: 'jwk' })

/** libp2p keeps seed and public key side by side, 32 bytes each. */
const ed25519Private = (raw: Uint8Array): KeyObject =>
  createPrivateKey({
    key: {
      kty: 'OKP',
      crv: 'Ed25519',
      d: base64url(raw.subarray(0, 32)),
      x: base64url(raw.subarray(32, 64)),
    },
    format: 'jwk',
  })
