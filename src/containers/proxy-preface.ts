/**
 * The PROXY protocol's preface, versions 1 and 2, as a server reads it. This file and `whoami.ts`
 * are copied into the built-in image, so they import nothing of the project.
 */
export type Preface =
  /** No preface: the bytes are the client's. */
  | { readonly kind: 'absent' }
  /** Could still become one. */
  | { readonly kind: 'incomplete' }
  /** `source` is the client as `address:port`; null when the proxy speaks for itself. */
  | { readonly kind: 'present'; readonly length: number; readonly source: string | null }
  | { readonly kind: 'malformed'; readonly because: string }

/** No preface that we accept is longer; v2 leaves 984 bytes for extensions, which we skip. */
export const maxPrefaceBytes = 1024

const firstWord = Buffer.from('PROXY ')
const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const maxLineBytes = 107
const headerBytes = 16

export function parsePreface(bytes: Buffer): Preface {
  if (isStartOf(bytes, signature)) return parseBinary(bytes)
  if (isStartOf(bytes, firstWord)) return parseLine(bytes)
  return { kind: 'absent' }
}

/** `address:port`, IPv6 in brackets, IPv4 in IPv6 as plain IPv4. */
export function formatEndpoint(address: string, port: number): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '')
  return plain.includes(':') ? `[${plain}]:${port}` : `${plain}:${port}`
}

function isStartOf(bytes: Buffer, word: Buffer): boolean {
  const length = Math.min(bytes.length, word.length)
  return bytes.subarray(0, length).equals(word.subarray(0, length))
}

const malformed = (because: string): Preface => ({ kind: 'malformed', because })

function parseLine(bytes: Buffer): Preface {
  const end = bytes.subarray(0, maxLineBytes).indexOf('\r\n')
  if (end < 0) {
    return bytes.length < maxLineBytes ? { kind: 'incomplete' } : malformed('line without an end')
  }
  const length = end + 2
  const words = bytes.toString('latin1', 0, end).split(' ')
  if (words[1] === 'UNKNOWN') return { kind: 'present', length, source: null }
  const [, family, address = '', target = '', sourcePort = '', targetPort = ''] = words
  const isAddress = family === 'TCP4' ? isIpv4 : family === 'TCP6' ? isIpv6 : null
  if (isAddress === null || words.length !== 6) return malformed('unknown family')
  if (!isAddress(address) || !isAddress(target)) return malformed('not an address')
  if (!isPort(sourcePort) || !isPort(targetPort)) return malformed('not a port')
  return { kind: 'present', length, source: formatEndpoint(address, Number(sourcePort)) }
}

function parseBinary(bytes: Buffer): Preface {
  if (bytes.length < headerBytes) return { kind: 'incomplete' }
  const versionAndCommand = bytes[12]
  const family = bytes[13]
  const payloadBytes = bytes.readUInt16BE(14)
  const length = headerBytes + payloadBytes
  if (versionAndCommand !== 0x20 && versionAndCommand !== 0x21) return malformed('unknown version')
  if (length > maxPrefaceBytes) return malformed('too long')
  if (bytes.length < length) return { kind: 'incomplete' }
  const isLocal = versionAndCommand === 0x20
  if (isLocal || family === 0x00) return { kind: 'present', length, source: null }
  const payload = bytes.subarray(headerBytes, length)
  if (family === 0x11) return fromIpv4(payload, length)
  if (family === 0x21) return fromIpv6(payload, length)
  return malformed('unknown family')
}

function fromIpv4(payload: Buffer, length: number): Preface {
  if (payload.length < 12) return malformed('addresses are cut off')
  const address = [...payload.subarray(0, 4)].join('.')
  return { kind: 'present', length, source: formatEndpoint(address, payload.readUInt16BE(8)) }
}

function fromIpv6(payload: Buffer, length: number): Preface {
  if (payload.length < 36) return malformed('addresses are cut off')
  const groups = Array.from({ length: 8 }, (_, at) => payload.readUInt16BE(at * 2).toString(16))
  // A URL writes IPv6 in its shortest form.
  const address = new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
  const plain = isMappedIpv4(payload) ? [...payload.subarray(12, 16)].join('.') : address
  return { kind: 'present', length, source: formatEndpoint(plain, payload.readUInt16BE(32)) }
}

function isMappedIpv4(payload: Buffer): boolean {
  return payload.subarray(0, 12).equals(Buffer.from('00000000000000000000ffff', 'hex'))
}

function isIpv4(text: string): boolean {
  const parts = text.split('.')
  return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && +part < 256)
}

function isIpv6(text: string): boolean {
  return /^[0-9a-f:.]+$/i.test(text) && text.includes(':') && URL.canParse(`http://[${text}]`)
}

const isPort = (text: string): boolean => /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) < 65536
