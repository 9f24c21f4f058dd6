import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  X509Certificate,
  type KeyObject,
} from 'node:crypto'
import { assert } from '../base/assert.ts'
import { isId, type NodeId, type NodeRole } from '../base/ids.ts'
import * as der from './der.ts'

const dayMs = 24 * 3600 * 1000
const authorityDays = 20 * 365
const leafDays = 90
/** A node whose clock is a little behind ours must not find its new certificate "not yet valid". */
const backdatedMs = 3600 * 1000

export interface Authority {
  readonly caCertificatePem: string
  readonly caKeyPem: string
}

/** Whom a certificate names; the caller has decided that it may exist. */
export interface LeafSubject {
  readonly node: NodeId
  readonly clusterId: string
  readonly role: NodeRole
  readonly peerId: string
  /** SubjectPublicKeyInfo of a P-256 key, DER. */
  readonly publicKey: Uint8Array
}

/** A new certificate authority for one cluster: a P-256 key and its self-signed certificate. */
export function createAuthority(clusterId: string, nowMs: number): Authority {
  assert(isId(clusterId), 'a cluster id is 25 base-36 characters')
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const caCertificatePem = signCertificate({
    signer: privateKey,
    issuer: authorityName(clusterId),
    subject: authorityName(clusterId),
    spki,
    notBeforeMs: nowMs - backdatedMs,
    notAfterMs: nowMs + authorityDays * dayMs,
    extensions: [
      // CA, and no CA below it; may sign certificates and revocation lists.
      extension(der.oids.basicConstraints, der.sequence(der.boolean(true), smallInteger(0))),
      extension(der.oids.keyUsage, der.bits(Uint8Array.of(0b0000_0110), 1)),
      plainExtension(der.oids.subjectKeyIdentifier, der.octets(keyIdentifier(spki))),
    ],
  })
  return { caCertificatePem, caKeyPem: pkcs8Pem(privateKey) }
}

/** A node's certificate, valid for 90 days. */
export function issueCertificate(
  authority: Authority,
  subject: LeafSubject,
  nowMs: number,
): string {
  const { node, clusterId, role, peerId } = subject
  assert(isId(node) && isId(clusterId), 'node and cluster ids are 25 base-36 characters')
  const caPublicKey = new X509Certificate(authority.caCertificatePem).publicKey
  const caSpki = caPublicKey.export({ type: 'spki', format: 'der' })
  const names = [`spiffe://${clusterId}/node/${node}`, `meshd:peer:${peerId}`, `meshd:role:${role}`]
  const uriTag = 6
  return signCertificate({
    signer: createPrivateKey(authority.caKeyPem),
    issuer: authorityName(clusterId),
    subject: leafName(subject),
    spki: subject.publicKey,
    notBeforeMs: nowMs - backdatedMs,
    notAfterMs: nowMs + leafDays * dayMs,
    extensions: [
      extension(der.oids.basicConstraints, der.sequence()),
      extension(der.oids.keyUsage, der.bits(Uint8Array.of(0b1000_0000), 7)),
      plainExtension(
        der.oids.extendedKeyUsage,
        der.sequence(der.oid(der.oids.serverAuth), der.oid(der.oids.clientAuth)),
      ),
      plainExtension(der.oids.subjectKeyIdentifier, der.octets(keyIdentifier(subject.publicKey))),
      plainExtension(
        der.oids.authorityKeyIdentifier,
        der.sequence(der.taggedBytes(0, keyIdentifier(caSpki))),
      ),
      plainExtension(
        der.oids.subjectAltName,
        der.sequence(...names.map((name) => der.taggedBytes(uriTag, Buffer.from(name)))),
      ),
    ],
  })
}

interface Unsigned {
  readonly signer: KeyObject
  readonly issuer: der.Der
  readonly subject: der.Der
  readonly spki: Uint8Array
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly extensions: readonly der.Der[]
}

function signCertificate(given: Unsigned): string {
  const version3 = 2
  const algorithm = der.sequence(der.oid(der.oids.ecdsaWithSha256))
  const body = der.sequence(
    der.tagged(0, smallInteger(version3)),
    der.integer(drawSerial()),
    algorithm,
    given.issuer,
    der.sequence(der.time(given.notBeforeMs), der.time(given.notAfterMs)),
    given.subject,
    der.embedded(given.spki),
    der.tagged(3, der.sequence(...given.extensions)),
  )
  const signature = sign('sha256', der.toBytes(body), given.signer)
  return certificatePem(der.toBytes(der.sequence(body, algorithm, der.bits(signature))))
}

function extension(id: string, value: der.Der): der.Der {
  return der.sequence(der.oid(id), der.boolean(true), der.octets(der.toBytes(value)))
}

/** One that a verifier which does not know it may pass over. */
function plainExtension(id: string, value: der.Der): der.Der {
  return der.sequence(der.oid(id), der.octets(der.toBytes(value)))
}

/** Positive, not zero, and without a leading zero byte: 16 bytes in every encoding. */
function drawSerial(): Uint8Array {
  const serial = Uint8Array.from(randomBytes(16))
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  return serial
}

const smallInteger = (value: number): der.Der => der.integer(Uint8Array.of(value))

const keyIdentifier = (spki: Uint8Array): Uint8Array =>
  createHash('sha256').update(spki).digest().subarray(0, 20)

const attribute = (id: string, text: string): der.Der =>
  der.set(der.sequence(der.oid(id), der.utf8(text)))

const authorityName = (clusterId: string): der.Der =>
  der.sequence(
    attribute(der.oids.organization, clusterId),
    attribute(der.oids.commonName, 'meshd cluster authority'),
  )

const leafName = (subject: LeafSubject): der.Der =>
  der.sequence(
    attribute(der.oids.organization, subject.clusterId),
    attribute(der.oids.organizationalUnit, subject.role),
    attribute(der.oids.commonName, subject.node),
  )

const pkcs8Pem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' })

function certificatePem(bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
