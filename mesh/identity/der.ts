import forge from 'node-forge'

/**
 * The few DER structures that a certificate needs, written with forge's ASN.1 writer. Only written:
 * reading and verifying is `node:crypto`'s job everywhere.
 */
export type Der = forge.asn1.Asn1

const { asn1 } = forge
const { Class, Type } = asn1

export const oids = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  sha256WithRsa: '1.2.840.113549.1.1.11',
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  organizationalUnit: '2.5.4.11',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const

const binary = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

const primitive = (type: forge.asn1.Type, bytes: Uint8Array): Der =>
  asn1.create(Class.UNIVERSAL, type, false, binary(bytes))

export const sequence = (...items: Der[]): Der =>
  asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, items)

export const set = (...items: Der[]): Der => asn1.create(Class.UNIVERSAL, Type.SET, true, items)

export const oid = (dotted: string): Der =>
  asn1.create(Class.UNIVERSAL, Type.OID, false, asn1.oidToDer(dotted).getBytes())

export const integer = (bytes: Uint8Array): Der => primitive(Type.INTEGER, bytes)

export const boolean = (value: boolean): Der =>
  primitive(Type.BOOLEAN, Uint8Array.of(value ? 0xff : 0))

export const nothing = (): Der => primitive(Type.NULL, new Uint8Array(0))

export const octets = (bytes: Uint8Array): Der => primitive(Type.OCTETSTRING, bytes)

/** Of whole bytes, or with the given number of unused low bits in the last one. */
export const bits = (bytes: Uint8Array, unusedBits = 0): Der =>
  primitive(Type.BITSTRING, Uint8Array.of(unusedBits, ...bytes))

export const utf8 = (text: string): Der => primitive(Type.UTF8, Buffer.from(text, 'utf8'))

/** A context-specific tag around other structures (explicit). */
export const tagged = (tag: number, ...items: Der[]): Der => inContext(tag, true, items)

/** A context-specific tag around bytes (implicit). */
export const taggedBytes = (tag: number, bytes: Uint8Array): Der =>
  inContext(tag, false, binary(bytes))

function inContext(tag: number, isConstructed: boolean, value: Der[] | string): Der {
  // forge names universal types only; inside a context any small number is one.
  // oxlint-disable-next-line typescript/no-unsafe-enum-assignment
  return asn1.create(Class.CONTEXT_SPECIFIC, tag, isConstructed, value)
}

/** X.509 writes years before 2050 with two digits, later ones with four. */
export function time(atMs: number): Der {
  const date = new Date(atMs)
  const late = date.getUTCFullYear() >= 2050
  const type = late ? Type.GENERALIZEDTIME : Type.UTCTIME
  const text = late ? asn1.dateToGeneralizedTime(date) : asn1.dateToUtcTime(date)
  return asn1.create(Class.UNIVERSAL, type, false, text)
}

/** DER that somebody else wrote, such as a key exported by `node:crypto`, as a part of ours. */
export const embedded = (der: Uint8Array): Der => asn1.fromDer(binary(der))

export const toBytes = (item: Der): Uint8Array =>
  Uint8Array.from(Buffer.from(asn1.toDer(item).getBytes(), 'latin1'))
