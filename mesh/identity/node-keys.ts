import { generateKeyPairSync } from 'node:crypto'
import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'

/** The two keys of a machine: who it is on libp2p, and what it shakes hands with. */
export interface NodeKeys {
  readonly peerId: string
  /** Ed25519, in libp2p's protobuf form. */
  readonly libp2pPrivateKey: Uint8Array
  /** P-256, PKCS#8. */
  readonly tlsKeyPem: string
}

export async function drawNodeKeys(): Promise<NodeKeys> {
  const libp2pKey = await generateKeyPair('Ed25519')
  return {
    peerId: peerIdFromPrivateKey(libp2pKey).toString(),
    libp2pPrivateKey: privateKeyToProtobuf(libp2pKey),
    tlsKeyPem: drawTlsKey(),
  }
}

/** A fresh TLS key alone, as for a renewed certificate. */
export function drawTlsKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' })
}
