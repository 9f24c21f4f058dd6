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
import { readParts } from './certificate-parts.ts'
import * as der from './der.ts'
import { certificatePem } from './pem.ts'

const dayMs = 24 * 3600 * 1000
const authorityDays = 20 * 365
const leafDays = 90
/** A node whose clock is a little behind ours must not find its new certificate "not yet valid". */
const backdatedMs = 3600 * 1000

/** A root, or what a root has set under it to sign in its place. */
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
      ...authorityExtensions,
      plainExtension(der.oids.subjectKeyIdentifier, der.octets(keyIdentifier(spki))),
    ],
  })
  return { caCertificatePem, caKeyPem: pkcs8Pem(privateKey) }
}

/**
 * The next authority's name and key in a certificate of the present one: with it, whoever knows
 * only the present one can verify what the next one issues.
 */
export function crossSign(present: Authority, nextPem: string, nowMs: number): string {
  const issuer = new X509Certificate(present.caCertificatePem)
  const next = new X509Certificate(nextPem)
  const parts = readParts(next)
  const ends = [issuer, next].map(({ validToDate }) => validToDate.getTime())
  return signCertificate({
    signer: createPrivateKey(present.caKeyPem),
    issuer: readParts(issuer).subject,
    subject: parts.subject,
    spki: next.publicKey.export({ type: 'spki', format: 'der' }),
    notBeforeMs: nowMs - backdatedMs,
    notAfterMs: Math.min(...ends),
    extensions: [
      ...authorityExtensions,
      ...(parts.keyIdentifier === null
        ? []
        : [plainExtension(der.oids.subjectKeyIdentifier, der.octets(parts.keyIdentifier))]),
      ...issuerKeyIdentifier(issuer),
    ],
  })
}

/** A node's certificate, valid for 90 days, if its issuer is. */
export function issueCertificate(
  authority: Authority,
  subject: LeafSubject,
  nowMs: number,
): string {
  const { node, clusterId, role, peerId } = subject
  assert(isId(node) && isId(clusterId), 'node and cluster ids are 25 base-36 characters')
  const issuer = new X509Certificate(authority.caCertificatePem)
  const names = [`spiffe://${clusterId}/node/${node}`, `meshd:peer:${peerId}`, `meshd:role:${role}`]
  const uriTag = 6
  return signCertificate({
    signer: createPrivateKey(authority.caKeyPem),
    issuer: readParts(issuer).subject,
    subject: leafName(subject),
    spki: subject.publicKey,
    notBeforeMs: nowMs - backdatedMs,
    notAfterMs: Math.min(nowMs + leafDays * dayMs, issuer.validToDate.getTime()),
    extensions: [
      extension(der.oids.basicConstraints, der.sequence()),
      extension(der.oids.keyUsage, der.bits(Uint8Array.of(0b1000_0000), 7)),
      plainExtension(
        der.oids.extendedKeyUsage,
        der.sequence(der.oid(der.oids.serverAuth), der.oid(der.oids.clientAuth)),
      ),
      plainExtension(der.oids.subjectKeyIdentifier, der.octets(keyIdentifier(subject.publicKey))),
      ...issuerKeyIdentifier(issuer),
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
  const isRsa = given.signer.asymmetricKeyType === 'rsa'
  const algorithm = isRsa
    ? der.sequence(der.oid(der.oids.sha256WithRsa), der.nothing())
    : der.sequence(der.oid(der.oids.ecdsaWithSha256))
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

/** CA, and no CA below it; may sign certificates and revocation lists. */
const authorityExtensions: readonly der.Der[] = [
  extension(der.oids.basicConstraints, der.sequence(der.boolean(true), smallInteger(0))),
  extension(der.oids.keyUsage, der.bits(Uint8Array.of(0b0000_0110), 1)),
]

/** As the issuer's own certificate has it: others compute it in other ways than we do. */
function issuerKeyIdentifier(issuer: X509Certificate): der.Der[] {
  const { keyIdentifier: known } = readParts(issuer)
  if (known === null) return []
  const value = der.sequence(der.taggedBytes(0, known))
  return [plainExtension(der.oids.authorityKeyIdentifier, value)]
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

function smallInteger(value: number): der.Der {
  return der.integer(Uint8Array.of(value))
}

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
