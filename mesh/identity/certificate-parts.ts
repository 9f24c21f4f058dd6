import { X509Certificate } from 'node:crypto'
import forge from 'node-forge'
import { embedded, oids, type Der } from './der.ts'

/** What `node:crypto` does not tell of a certificate, and an authority must know of one. */
export interface CertificateParts {
  /** As it stands there: whatever this one issues must name it byte for byte. */
  readonly subject: Der
  /** Null when the certificate has none. */
  readonly keyIdentifier: Uint8Array | null
  /** How many authorities may stand between it and a node's certificate; null: any number. */
  readonly pathLength: number | null
}

const versionTag = 0
const extensionsTag = 3

/** Of a certificate that `node:crypto` has read; throws when its structure is another one. */
export function readParts(certificate: X509Certificate): CertificateParts {
  const [body] = children(embedded(certificate.raw))
  const fields = children(body)
  // The version comes first only where it is not 1, and has a tag of its own.
  const subject = fields[contextTag(fields[0]) === versionTag ? 5 : 4]
  if (subject === undefined) throw new Error('the certificate has no subject')
  const extensions = readExtensions(fields)
  const keyIdentifier = extensions.get(oids.subjectKeyIdentifier)
  return {
    subject,
    keyIdentifier: keyIdentifier === undefined ? null : contentOf(keyIdentifier),
    pathLength: pathLengthOf(extensions.get(oids.basicConstraints)),
  }
}

/** By their names; the values are DER inside octets. */
function readExtensions(fields: readonly Der[]): Map<string, Der> {
  const holder = fields.find((field) => contextTag(field) === extensionsTag)
  const [list] = holder === undefined ? [] : children(holder)
  const found = new Map<string, Der>()
  for (const extension of list === undefined ? [] : children(list)) {
    const parts = children(extension)
    const [name] = parts
    const value = parts.at(-1)
    if (name === undefined || value === undefined) continue
    found.set(forge.asn1.derToOid(binaryOf(name)), embedded(contentOf(value)))
  }
  return found
}

function pathLengthOf(constraints: Der | undefined): number | null {
  const length = constraints === undefined ? undefined : children(constraints)[1]
  if (length === undefined) return null
  return contentOf(length).reduce((value, byte) => value * 256 + byte, 0)
}

/** Inside a context any small number is a tag; null for what stands in none. */
function contextTag(item: Der | undefined): number | null {
  return item?.tagClass === forge.asn1.Class.CONTEXT_SPECIFIC ? item.type : null
}

const children = (item: Der | undefined): readonly Der[] =>
  item !== undefined && Array.isArray(item.value) ? item.value : []

const binaryOf = (item: Der): string => (typeof item.value === 'string' ? item.value : '')

const contentOf = (item: Der): Uint8Array => Uint8Array.from(Buffer.from(binaryOf(item), 'latin1'))
