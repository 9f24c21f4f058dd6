import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeId, type NodeId } from '../../../mesh/base/ids.ts'
import { SeededRandom } from '../../../mesh/base/random.ts'
import { Redialler, type DialOutcome } from '../../../mesh/transport/redialler.ts'
import type { DialTarget } from '../../../mesh/transport/transport.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const small = nodeId('a'.repeat(25))
const middle = nodeId('m'.repeat(25))
const large = nodeId('z'.repeat(25))

const target = (node: NodeId, address = '10.0.0.1:7946'): DialTarget => ({
  node,
  peerId: `peer of ${node}`,
  address,
})

/** A node in the middle whose dials all end as `outcome` says. */
function world(outcome: DialOutcome) {
  const clock = new FakeClock()
  const dials: { node: NodeId; address: string; atMs: number }[] = []
  const refused: NodeId[] = []
  const connected = new Set<NodeId>()
  const redialler = new Redialler({
    self: middle,
    dial: async ({ node, address }) => {
      dials.push({ node, address, atMs: clock.monotonicMs() })
      if (outcome === 'connected') connected.add(node)
      return outcome
    },
    isConnected: (node) => connected.has(node),
    onRefused: (node) => refused.push(node),
    clock,
    random: new SeededRandom(1),
  })
  return { clock, dials, refused, connected, redialler }
}

test('the node with the smaller id dials first', async () => {
  const { clock, dials, redialler } = world('connected')
  redialler.setTargets([target(small), target(large), target(middle)])
  await clock.run(2000)
  assert.deepEqual(
    dials.map(({ node, atMs }) => [node, atMs]),
    [
      [large, 0],
      [small, 300],
    ],
  )
})

test('a peer that cannot be reached is dialled for ever, less and less often', async () => {
  const { clock, dials, redialler } = world('failed')
  redialler.setTargets([target(large)])
  await clock.run(120_000)
  const gaps = dials.slice(1).map(({ atMs }, at) => atMs - (dials[at]?.atMs ?? 0))
  assert.ok((gaps[0] ?? 0) >= 100 && (gaps[0] ?? 0) <= 200, `${gaps[0]}`)
  const late = gaps.slice(6)
  assert.ok(late.length > 20, 'it never gives up')
  assert.ok(late.every((gap) => gap >= 2500 && gap <= 5001))
  assert.ok(new Set(late).size > 5, 'with jitter')
})

test('a lost connection is redialled at once, and a refusal is told', async () => {
  const { clock, dials, refused, redialler, connected } = world('refused')
  connected.add(large)
  redialler.setTargets([target(large)])
  await clock.run(10_000)
  assert.equal(dials.length, 0)
  connected.delete(large)
  redialler.onDown(large)
  await clock.run(1)
  assert.equal(dials.length, 1)
  assert.deepEqual(refused, [large])
})

test('a member that moved is dialled at its new address, one that left no more', async () => {
  const { clock, dials, redialler } = world('failed')
  redialler.setTargets([target(large)])
  await clock.run(60_000)
  const before = dials.length
  redialler.setTargets([target(large, '10.0.0.2:7946')])
  await clock.run(1)
  assert.equal(dials.length, before + 1)
  assert.equal(dials.at(-1)?.address, '10.0.0.2:7946')
  redialler.setTargets([])
  await clock.run(60_000)
  assert.equal(dials.length, before + 1)
})

test('after the stop nothing is dialled', async () => {
  const { clock, dials, redialler } = world('failed')
  redialler.setTargets([target(large)])
  redialler.stop()
  redialler.setTargets([target(small)])
  await clock.run(60_000)
  assert.deepEqual(dials, [])
})
