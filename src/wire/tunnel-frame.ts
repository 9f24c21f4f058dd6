import { MeshError } from '../../mesh/base/mesh-error.ts'
import { hostBytes, hostText } from './proxy-protocol.ts'

/**
 * What two ingresses say to each other inside one TLS connection: `stream(4) type(1) length(3)`,
 * big endian, then the payload. The dialler numbers the streams; stream 0 is the connection itself.
 */
export const frameHeaderBytes = 8
/** Longer payloads are refused: it is also the most that a stream sends at a stretch. */
export const framePayloadLimit = 64 * 1024

export const frameType = {
  open: 1,
  data: 2,
  fin: 3,
  reset: 4,
  credit: 5,
  ready: 6,
  gone: 7,
  ping: 8,
  pong: 9,
  drain: 10,
  dropped: 11,
  datagram: 12,
} as const

export type FrameType = (typeof frameType)[keyof typeof frameType]

export interface Frame {
  readonly stream: number
  readonly type: FrameType
  /** A view of the chunk it came in, or a copy when it was spread over several. */
  readonly payload: Uint8Array
}

/** A connection, or a flow of datagrams, that wants to reach one task of the peer. */
export interface OpenPayload {
  readonly task: string
  readonly generation: number
  readonly targetPort: number
  readonly proxyProtocol: 'none' | 'v1' | 'v2'
  readonly client: { readonly host: string; readonly port: number }
  readonly destination: { readonly host: string; readonly port: number }
  /** Datagrams instead of bytes: READY, GONE and RESET as ever, DATAGRAM for the rest. */
  readonly protocol?: 'udp'
}

/** Payload length by type: [least, most]. */
const payloadLengths: Readonly<Record<FrameType, readonly [number, number]>> = {
  [frameType.open]: [25, 256],
  [frameType.data]: [1, framePayloadLimit],
  [frameType.fin]: [0, 0],
  [frameType.reset]: [0, 0],
  [frameType.credit]: [4, 4],
  [frameType.ready]: [0, 0],
  [frameType.gone]: [0, 0],
  [frameType.ping]: [4, 4],
  [frameType.pong]: [4, 4],
  [frameType.drain]: [1, 128],
  [frameType.dropped]: [1, 128],
  [frameType.datagram]: [0, framePayloadLimit],
}

const connectionTypes: ReadonlySet<number> = new Set([
  frameType.ping,
  frameType.pong,
  frameType.drain,
  frameType.dropped,
])

/**
 * Cuts a stream of chunks into frames. Holds back at most one frame, copied once, however small the
 * chunks are in which it comes; throws `tunnel/malformed`.
 */
export class FrameDecoder {
  #held: Uint8Array[] = []
  #heldBytes = 0
  /** What must be there before it is worth looking. */
  #neededBytes = frameHeaderBytes

  push(chunk: Uint8Array, onFrame: (frame: Frame) => void): void {
    this.#held.push(chunk)
    this.#heldBytes += chunk.length
    if (this.#heldBytes < this.#neededBytes) return
    let bytes = this.#held.length === 1 ? chunk : Buffer.concat(this.#held)
    this.#neededBytes = frameHeaderBytes
    while (bytes.length >= frameHeaderBytes) {
      const { stream, type, length } = decodeHeader(bytes)
      const end = frameHeaderBytes + length
      if (bytes.length < end) {
        this.#neededBytes = end
        break
      }
      onFrame({ stream, type, payload: bytes.subarray(frameHeaderBytes, end) })
      bytes = bytes.subarray(end)
    }
    this.#held = bytes.length === 0 ? [] : [bytes]
    this.#heldBytes = bytes.length
  }
}

function decodeHeader(bytes: Uint8Array): { stream: number; type: FrameType; length: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, frameHeaderBytes)
  const stream = view.getUint32(0)
  const word = view.getUint32(4)
  const type = word >>> 24
  const length = word & 0xffffff
  const limits = payloadLengths[type as FrameType] as readonly [number, number] | undefined
  if (limits === undefined) throw malformed(`unknown type ${type}`)
  if (length < limits[0] || length > limits[1]) throw malformed(`type ${type} of ${length} bytes`)
  if ((stream === 0) !== connectionTypes.has(type)) throw malformed(`type ${type} on ${stream}`)
  return { stream, type: type as FrameType, length }
}

export function writeHeader(
  into: Uint8Array,
  at: number,
  head: { readonly stream: number; readonly type: FrameType; readonly length: number },
): void {
  const view = new DataView(into.buffer, into.byteOffset + at, frameHeaderBytes)
  view.setUint32(0, head.stream)
  view.setUint32(4, (head.type << 24) | head.length)
}

export function encodeTunnelFrame(
  stream: number,
  type: FrameType,
  payload: Uint8Array = noPayload,
): Uint8Array {
  const bytes = new Uint8Array(frameHeaderBytes + payload.length)
  writeHeader(bytes, 0, { stream, type, length: payload.length })
  bytes.set(payload, frameHeaderBytes)
  return bytes
}

const noPayload = new Uint8Array(0)

/** Payload of CREDIT, PING and PONG. */
export function encodeCount(count: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, count)
  return bytes
}

export function decodeCount(payload: Uint8Array): number {
  return new DataView(payload.buffer, payload.byteOffset, 4).getUint32(0)
}

/** Payload of DRAIN and DROPPED. */
export function encodeTask(task: string): Uint8Array {
  return Buffer.from(task, 'latin1')
}

/** Throws `tunnel/malformed`. */
export function decodeTask(payload: Uint8Array): string {
  const task = Buffer.from(payload).toString('latin1')
  if (!taskPattern.test(task)) throw malformed('no name of a task')
  return task
}

const taskPattern = /^[\w.-]+$/

const proxyCodes = ['none', 'v1', 'v2'] as const
const udpFlag = 0x80

/** generation(6) targetPort(2) proxyProtocol(1), with a flag for UDP, client destination task(1 + …) */
export function encodeOpen(open: OpenPayload): Uint8Array {
  const head = Buffer.alloc(9)
  head.writeUIntBE(open.generation, 0, 6)
  head.writeUInt16BE(open.targetPort, 6)
  head[8] = proxyCodes.indexOf(open.proxyProtocol) | (open.protocol === 'udp' ? udpFlag : 0)
  const task = Buffer.from(open.task, 'latin1')
  const addresses = [open.client, open.destination].map(encodeSocketAddress)
  return Buffer.concat([head, ...addresses, Buffer.from([task.length]), task])
}

/** Throws `tunnel/malformed`. */
export function decodeOpen(payload: Uint8Array): OpenPayload {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
  const code = bytes[8] ?? 0
  const proxyProtocol = proxyCodes[code & ~udpFlag]
  if (proxyProtocol === undefined) throw malformed('OPEN with an unknown preface')
  const client = decodeSocketAddress(bytes, 9)
  const destination = decodeSocketAddress(bytes, client.end)
  const taskAt = destination.end + 1
  const taskLength = bytes[destination.end] ?? 0
  const task = bytes.toString('latin1', taskAt)
  if (taskLength === 0 || task.length !== taskLength || !taskPattern.test(task)) {
    throw malformed('OPEN without a task')
  }
  return {
    task,
    generation: bytes.readUIntBE(0, 6),
    targetPort: bytes.readUInt16BE(6),
    proxyProtocol,
    client: client.address,
    destination: destination.address,
    ...((code & udpFlag) !== 0 && { protocol: 'udp' as const }),
  }
}

/** length of the host (4 or 16), host, port(2) */
function encodeSocketAddress(address: { readonly host: string; readonly port: number }): Buffer {
  const host = hostBytes(address.host)
  return Buffer.concat([
    Buffer.from([host.length]),
    host,
    Buffer.from([address.port >> 8, address.port & 0xff]),
  ])
}

function decodeSocketAddress(
  bytes: Buffer,
  at: number,
): { readonly address: { readonly host: string; readonly port: number }; readonly end: number } {
  const hostLength = bytes[at]
  const portAt = at + 1 + (hostLength ?? 0)
  if ((hostLength !== 4 && hostLength !== 16) || portAt + 2 > bytes.length) {
    throw malformed('OPEN with a bad address')
  }
  const host = hostText(bytes.subarray(at + 1, portAt))
  return { address: { host, port: bytes.readUInt16BE(portAt) }, end: portAt + 2 }
}

function malformed(because: string): MeshError {
  return new MeshError({ code: 'tunnel/malformed', because })
}
