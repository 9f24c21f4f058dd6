import { isIPv4, isIPv6 } from 'node:net'
import { MeshError } from '../../mesh/base/mesh-error.ts'

/** The PROXY protocol's two forms: who the client is, said ahead of the first byte it sent. */
export type ProxyVersion = 'v1' | 'v2'

export interface SocketAddress {
  readonly host: string
  readonly port: number
}

export interface ProxyHeader {
  readonly source: SocketAddress
  readonly destination: SocketAddress
}

export type ProxyDecoded =
  /** `header` is null when the sender speaks for itself (`UNKNOWN`, `LOCAL`). */
  | { readonly kind: 'header'; readonly header: ProxyHeader | null; readonly length: number }
  | { readonly kind: 'more' }

/** The longest line that version 1 allows, CRLF included. */
const lineLimit = 107
/** Version 2: addresses and TLVs; far below the 65,535 that the field could say. */
const blockLimit = 4096
const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
const fixedLength = 16

export function encodeProxyHeader(version: ProxyVersion, header: ProxyHeader): Uint8Array {
  return version === 'v1' ? encodeLine(header) : encodeBlock(header)
}

/** Reads a header of either version from the start of a connection; throws `proxy-protocol/malformed`. */
export function decodeProxyHeader(bytes: Uint8Array): ProxyDecoded {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (start.length === 0) return { kind: 'more' }
  return start[0] === signature[0] ? decodeBlock(start) : decodeLine(start)
}

function encodeLine({ source, destination }: ProxyHeader): Uint8Array {
  const family = familyOf(source, destination)
  if (family === null) return Buffer.from('PROXY UNKNOWN\r\n', 'latin1')
  const words = ['PROXY', family === 4 ? 'TCP4' : 'TCP6', source.host, destination.host]
  return Buffer.from(`${words.join(' ')} ${source.port} ${destination.port}\r\n`, 'latin1')
}

function encodeBlock({ source, destination }: ProxyHeader): Uint8Array {
  const family = familyOf(source, destination)
  if (family === null) return Buffer.concat([signature, Buffer.from([0x20, 0, 0, 0])])
  const addresses = [hostBytes(source.host), hostBytes(destination.host)]
  const ports = Buffer.alloc(4)
  ports.writeUInt16BE(source.port, 0)
  ports.writeUInt16BE(destination.port, 2)
  const body = Buffer.concat([...addresses, ports])
  const head = Buffer.from([0x21, family === 4 ? 0x11 : 0x21, 0, body.length])
  return Buffer.concat([signature, head, body])
}

function decodeLine(start: Buffer): ProxyDecoded {
  const expected = Buffer.from('PROXY ', 'latin1')
  const seen = start.subarray(0, expected.length)
  if (!seen.equals(expected.subarray(0, seen.length))) throw malformed('no PROXY signature')
  const end = start.subarray(0, lineLimit).indexOf('\r\n')
  if (end < 0) {
    if (start.length >= lineLimit) throw malformed('line too long')
    return { kind: 'more' }
  }
  const length = end + 2
  const words = start.toString('latin1', 0, end).split(' ')
  if (words[1] === 'UNKNOWN') return { kind: 'header', header: null, length }
  return { kind: 'header', header: lineHeader(words), length }
}

function lineHeader(words: readonly string[]): ProxyHeader {
  const [, protocol, sourceHost, destinationHost, sourcePort, destinationPort] = words
  if (words.length !== 6) throw malformed('wrong number of words')
  const isRight = protocol === 'TCP4' ? isIPv4 : protocol === 'TCP6' ? isIPv6 : null
  if (isRight === null) throw malformed('unknown protocol')
  const hosts = [sourceHost ?? '', destinationHost ?? '']
  if (!hosts.every((host) => isRight(host) && !host.includes('%'))) throw malformed('bad address')
  return {
    source: { host: hosts[0] ?? '', port: linePort(sourcePort) },
    destination: { host: hosts[1] ?? '', port: linePort(destinationPort) },
  }
}

function linePort(word: string | undefined): number {
  if (word === undefined || !/^(0|[1-9]\d{0,4})$/.test(word)) throw malformed('bad port')
  const port = Number(word)
  if (port > 65_535) throw malformed('bad port')
  return port
}

function decodeBlock(start: Buffer): ProxyDecoded {
  const seen = start.subarray(0, signature.length)
  if (!seen.equals(signature.subarray(0, seen.length))) throw malformed('no PROXY signature')
  if (start.length < fixedLength) return { kind: 'more' }
  const command = start[12]
  const family = start[13]
  if (command !== 0x20 && command !== 0x21) throw malformed('unknown version or command')
  const bodyLength = start.readUInt16BE(14)
  if (bodyLength > blockLimit) throw malformed('header too long')
  const length = fixedLength + bodyLength
  if (start.length < length) return { kind: 'more' }
  // LOCAL says nothing about addresses; UNSPEC and UNIX have none that we could pass on.
  if (command === 0x20 || (family !== 0x11 && family !== 0x21)) {
    return { kind: 'header', header: null, length }
  }
  const hostLength = family === 0x11 ? 4 : 16
  if (bodyLength < 2 * hostLength + 4) throw malformed('addresses cut short')
  return { kind: 'header', header: blockHeader(start.subarray(fixedLength), hostLength), length }
}

function blockHeader(body: Buffer, hostLength: number): ProxyHeader {
  const ports = 2 * hostLength
  return {
    source: { host: hostText(body.subarray(0, hostLength)), port: body.readUInt16BE(ports) },
    destination: {
      host: hostText(body.subarray(hostLength, ports)),
      port: body.readUInt16BE(ports + 2),
    },
  }
}

/** Null unless both are of one family: the header knows no other case. */
function familyOf(source: SocketAddress, destination: SocketAddress): 4 | 6 | null {
  if (isIPv4(source.host) && isIPv4(destination.host)) return 4
  return isIPv6(source.host) && isIPv6(destination.host) ? 6 : null
}

/** Four or sixteen bytes of an address that is one; a zone (`%eth0`) means nothing elsewhere. */
export function hostBytes(host: string): Uint8Array {
  if (isIPv4(host)) return Uint8Array.from(host.split('.').map(Number))
  const plain = host.replace(/%.*$/, '')
  if (!isIPv6(plain)) throw malformed('bad address')
  return Uint8Array.from(wordsOf(plain).flatMap((word) => [word >> 8, word & 0xff]))
}

export function hostText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const words = Array.from({ length: 8 }, (_, at) => view.getUint16(2 * at).toString(16))
  // The URL parser writes IPv6 in its canonical, shortest form.
  return new URL(`http://[${words.join(':')}]`).hostname.slice(1, -1)
}

function wordsOf(host: string): number[] {
  const canonical = new URL(`http://[${host}]`).hostname.slice(1, -1)
  const [head = '', tail] = canonical.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const gap = Array.from({ length: 8 - before.length - after.length }, () => '0')
  return [...before, ...gap, ...after].map((word) => Number.parseInt(word, 16))
}

function malformed(because: string): MeshError {
  return new MeshError({ code: 'proxy-protocol/malformed', because })
}
