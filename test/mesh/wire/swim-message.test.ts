import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { nodeId } from '../../../mesh/base/ids.ts'
import type { Rumour, SwimMessage } from '../../../mesh/membership/message.ts'
import { isRefused } from '../../../mesh/wire/frames.ts'
import { decodeSwimMessage, encodeSwimMessage, swimSizes } from '../../../mesh/wire/swim-message.ts'

const id = fc
  .string({ unit: fc.constantFrom('a', 'b', 'z', '0', '9'), minLength: 25, maxLength: 25 })
  .map(nodeId)
const incarnation = fc.integer({ min: 0, max: 2 ** 52 })
const seq = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const address = fc.constantFrom('10.0.0.1:7946', '[fd00::1]:7946', 'host.example:1')
const meta = fc.record({
  name: fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' }),
  gossipAddress: address,
  controlAddress: address,
  dataPathAddress: address,
})
const rumour: fc.Arbitrary<Rumour> = fc.oneof(
  fc.record({ kind: fc.constant('alive' as const), node: id, incarnation, meta }),
  fc.record({ kind: fc.constant('suspect' as const), node: id, incarnation, by: id }),
  fc.record({ kind: fc.constant('dead' as const), node: id, incarnation, by: id }),
  fc.record({ kind: fc.constant('left' as const), node: id, incarnation }),
)
const body = fc.oneof(
  fc.record({ kind: fc.constant('ping' as const), seq, target: id }),
  fc.record({
    kind: fc.constant('ping-request' as const),
    seq,
    target: id,
    targetAddress: address,
  }),
  fc.record({ kind: fc.constantFrom('ack' as const, 'nack' as const), seq, subject: id }),
  fc.record({ kind: fc.constant('gossip' as const) }),
)
const sender = fc.record({ id, incarnation, meta, health: fc.integer({ min: 0, max: 7 }) })
const message = fc
  .tuple(body, sender, fc.array(rumour, { maxLength: 5 }))
  .map(([body, sender, rumours]): SwimMessage => ({ ...body, sender, rumours }))

/** fast-check makes objects without a prototype. */
const plain = (given: SwimMessage): SwimMessage => structuredClone(given)

const sorted = (given: SwimMessage): SwimMessage => {
  const order = ['alive', 'suspect', 'dead', 'left']
  const rumours = given.rumours.toSorted((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind))
  return { ...given, rumours }
}

test('a message comes back as it was sent, its rumours sorted by kind', () => {
  fc.assert(
    fc.property(message, (given) => {
      assert.deepEqual(decodeSwimMessage(encodeSwimMessage(given)), sorted(plain(given)))
    }),
    { numRuns: 200 },
  )
})

test('a message is never longer than the packer counts', () => {
  fc.assert(
    fc.property(message, (given) => {
      const bare = swimSizes.messageBytes({ ...given, rumours: [] })
      const rumours = given.rumours.reduce((sum, one) => sum + swimSizes.rumourBytes(one), 0)
      assert.ok(encodeSwimMessage(given).length <= bare + rumours)
    }),
    { numRuns: 100 },
  )
})

test('bytes that are no message are refused, never thrown at', () => {
  fc.assert(
    fc.property(message, fc.nat(), fc.nat(255), (given, at, byte) => {
      const bytes = encodeSwimMessage(given)
      bytes[at % bytes.length] = byte
      assert.doesNotThrow(() => decodeSwimMessage(bytes))
    }),
    { numRuns: 200 },
  )
  for (const text of ['', '[]', '[1]', '{"kind":"ping"}', '[2,["gossip"]]', 'x'.repeat(5000)]) {
    assert.ok(isRefused(decodeSwimMessage(new TextEncoder().encode(text))), text)
  }
})

test('an incarnation that nobody could outlive is refused', () => {
  const [given] = fc.sample(message, { numRuns: 1, seed: 1 })
  assert.ok(given !== undefined)
  const high = { ...given, sender: { ...given.sender, incarnation: Number.MAX_SAFE_INTEGER } }
  assert.ok(isRefused(decodeSwimMessage(encodeSwimMessage(high))))
})
