import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { isFault } from '../../../mesh/base/mesh-error.ts'
import {
  decodeOpen,
  encodeCount,
  encodeOpen,
  encodeTunnelFrame,
  FrameDecoder,
  framePayloadLimit,
  frameType,
  type Frame,
  type OpenPayload,
} from '../../../src/wire/tunnel-frame.ts'

const open: OpenPayload = {
  task: 'kq1x3r8v5m2n7p4s6t9w0y1z2',
  generation: 4_294_967_301,
  targetPort: 8080,
  proxyProtocol: 'v2',
  client: { host: '192.0.2.7', port: 51234 },
  destination: { host: '2001:db8::1', port: 80 },
}

test('OPEN carries task, generation, port, preface and both addresses', () => {
  assert.deepEqual(decodeOpen(encodeOpen(open)), open)
})

test('OPEN says when it is datagrams that follow, and nothing of it otherwise', () => {
  for (const proxyProtocol of ['none', 'v1', 'v2'] as const) {
    const flow: OpenPayload = { ...open, proxyProtocol, protocol: 'udp' }
    assert.deepEqual(decodeOpen(encodeOpen(flow)), flow)
  }
  assert.equal('protocol' in decodeOpen(encodeOpen(open)), false)
})

test('OPEN cut short, or with something behind it, is refused', () => {
  const payload = encodeOpen(open)
  for (let cut = 0; cut < payload.length; cut++) {
    assert.throws(() => decodeOpen(payload.subarray(0, cut)), isMalformed, `cut at ${cut}`)
  }
  assert.throws(() => decodeOpen(Buffer.concat([payload, Buffer.from('x')])), isMalformed)
})

test('frames come back whole, in order, however the bytes are cut', () => {
  const frames = [
    encodeTunnelFrame(1, frameType.open, encodeOpen(open)),
    encodeTunnelFrame(0, frameType.ping, encodeCount(7)),
    encodeTunnelFrame(1, frameType.data, Buffer.from('hello')),
    encodeTunnelFrame(1, frameType.fin),
  ]
  const bytes = Buffer.concat(frames)
  const whole = decodeAll([bytes])
  assert.deepEqual(
    whole.map((frame) => [frame.stream, frame.type, frame.payload.length]),
    [
      [1, frameType.open, encodeOpen(open).length],
      [0, frameType.ping, 4],
      [1, frameType.data, 5],
      [1, frameType.fin, 0],
    ],
  )
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 8 }), (cuts) => {
      const at = [0, ...cuts.sort((left, right) => left - right), bytes.length]
      const chunks = at.slice(1).map((end, index) => bytes.subarray(at[index], end))
      assert.deepEqual(decodeAll(chunks).map(plain), whole.map(plain))
    }),
  )
})

const bad: Readonly<Record<string, Uint8Array>> = {
  'an unknown type': header(1, 77, 0),
  'a payload beyond the limit': header(1, frameType.data, framePayloadLimit + 1),
  'DATA without data': header(1, frameType.data, 0),
  'FIN with a payload': header(1, frameType.fin, 1),
  'CREDIT of three bytes': header(1, frameType.credit, 3),
  'DATA on the connection itself': header(0, frameType.data, 1),
  'PING on a stream': header(1, frameType.ping, 4),
  'DRAIN without a task': header(0, frameType.drain, 0),
  'DROPPED on a stream': header(1, frameType.dropped, 25),
}

for (const [name, bytes] of Object.entries(bad)) {
  test(`refuses ${name} before waiting for its payload`, () => {
    assert.throws(() => decodeAll([bytes]), isMalformed)
  })
}

test('no bytes make the decoder or OPEN fail in another way', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
      for (const read of [() => decodeAll([noise]), () => decodeOpen(noise)]) {
        try {
          read()
        } catch (error) {
          assert.ok(isMalformed(error))
        }
      }
    }),
  )
})

function decodeAll(chunks: readonly Uint8Array[]): Frame[] {
  const decoder = new FrameDecoder()
  const frames: Frame[] = []
  for (const chunk of chunks) decoder.push(chunk, (frame) => frames.push(frame))
  return frames
}

const plain = (frame: Frame): unknown => ({ ...frame, payload: [...frame.payload] })

function header(stream: number, type: number, length: number): Uint8Array {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt32BE(stream, 0)
  bytes.writeUInt8(type, 4)
  bytes.writeUIntBE(length, 5, 3)
  return bytes
}

const isMalformed = (error: unknown): boolean => isFault(error, 'tunnel/malformed')

test('a frame that comes in single bytes is copied once, not once for every byte', (t) => {
  const frame = encodeTunnelFrame(1, frameType.data, new Uint8Array(framePayloadLimit).fill(7))
  const decoder = new FrameDecoder()
  const copies = t.mock.method(Buffer, 'concat')
  const payloads: Uint8Array[] = []
  for (let at = 0; at < frame.length; at++) {
    decoder.push(frame.subarray(at, at + 1), (found) => payloads.push(found.payload))
  }
  assert.ok(copies.mock.callCount() <= 2, `${copies.mock.callCount()} copies`)
  assert.deepEqual(payloads, [Buffer.alloc(framePayloadLimit, 7)])
})
