import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import * as z from 'zod'
import { decodeJson, encodeFrame, encodeJson, FrameSplitter } from '../../../mesh/wire/frames.ts'

test('frames come out as they went in, however the stream is cut', () => {
  const payloads = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 })
  const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(payloads, cuts, (sent, sizes) => {
      const stream = Buffer.concat(sent.map((payload) => encodeFrame(payload)))
      const splitter = new FrameSplitter(300)
      const received: Uint8Array[] = []
      for (let at = 0, cut = 0; at < stream.length; cut++) {
        const size = sizes[cut % sizes.length] ?? 1
        const payloads = splitter.push(stream.subarray(at, at + size))
        assert.ok(!('refused' in payloads))
        received.push(...payloads)
        at += size
      }
      assert.deepEqual(received, sent)
      assert.equal(splitter.heldBytes, 0)
    }),
  )
})

test('a frame above the limit is refused by its header, and nothing is kept', () => {
  const splitter = new FrameSplitter(100)
  assert.deepEqual(splitter.push(encodeFrame(new Uint8Array(100))), [new Uint8Array(100)])
  const refused = splitter.push(Uint8Array.of(0, 0, 0, 101))
  assert.ok('refused' in refused)
  assert.match(refused.refused, /101 bytes/)
  assert.equal(splitter.heldBytes, 0)
  assert.ok('refused' in splitter.push(Uint8Array.of(0, 0, 0, 1, 7)))
})

test('frames longer than one allocation arrive whole', () => {
  const payload = Uint8Array.from({ length: 100_000 }, (_, at) => at % 251)
  const stream = encodeFrame(payload)
  const splitter = new FrameSplitter(100_000)
  for (let at = 0; at < stream.length; at += 777) {
    const payloads = splitter.push(stream.subarray(at, at + 777))
    assert.ok(!('refused' in payloads))
    if (payloads.length > 0) assert.deepEqual(payloads, [payload])
  }
  assert.equal(splitter.heldBytes, 0)
})

test('a payload does not share memory with the chunk it came in', () => {
  const chunk = encodeFrame(Uint8Array.of(1, 2, 3))
  const payloads = new FrameSplitter(10).push(chunk)
  chunk.fill(9)
  assert.deepEqual(payloads, [Uint8Array.of(1, 2, 3)])
})

test('JSON of a peer is checked, and a refusal names the place', () => {
  const schema = z.object({ name: z.string(), at: z.object({ port: z.number() }) })
  const good = { name: 'n1', at: { port: 7 } }
  assert.deepEqual(decodeJson(schema, encodeJson(good)), good)
  const refusals: [Uint8Array, RegExp][] = [
    [encodeJson({ name: 'n1', at: { port: 'x' } }), /^at\.port: /],
    [encodeJson(null), /^message: /],
    [Uint8Array.of(0xff, 0xfe), /not JSON/],
    [new TextEncoder().encode('{"name":'), /not JSON/],
  ]
  for (const [bytes, because] of refusals) {
    const result = decodeJson(schema, bytes)
    assert.ok('refused' in result)
    assert.match(result.refused, because)
  }
})
