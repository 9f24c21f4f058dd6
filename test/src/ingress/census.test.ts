import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Census, type Visitor } from '../../../src/ingress/census.ts'

const unlimited = { maxConnections: null, maxConnectionsPerSource: null }
const from = (source: string, port = 80, protocol: 'tcp' | 'udp' = 'tcp'): Visitor => ({
  protocol,
  port,
  source,
})

/** One census a thread, over the same memories. */
function threads(count: number): Census[] {
  const memories = Array.from({ length: count }, () => Census.memory())
  return memories.map((_, own) => new Census(memories, own, 7))
}

test('a port is counted over all threads, and whoever leaves makes room', () => {
  const [one, two] = threads(2) as [Census, Census]
  const limits = { ...unlimited, maxConnections: 2 }
  assert.equal(one.enter(from('192.0.2.1'), limits), true)
  assert.equal(two.enter(from('192.0.2.2'), limits), true)
  assert.equal(one.enter(from('192.0.2.3'), limits), false)
  assert.equal(two.enter(from('192.0.2.3', 81), limits), true)
  assert.equal(two.enter(from('192.0.2.3', 80, 'udp'), limits), true)
  two.leave(from('192.0.2.2'))
  assert.equal(one.enter(from('192.0.2.3'), limits), true)
})

test('a source is counted by itself, over all threads and per port', () => {
  const [one, two] = threads(2) as [Census, Census]
  const limits = { ...unlimited, maxConnectionsPerSource: 2 }
  for (const each of [one, two]) assert.equal(each.enter(from('192.0.2.1'), limits), true)
  assert.equal(one.enter(from('192.0.2.1'), limits), false)
  assert.equal(two.enter(from('192.0.2.1', 81), limits), true)
  assert.equal(two.enter(from('2001:db8::1'), limits), true)
})

test('among ten thousand sources none is mistaken for a greedy one', () => {
  const [census] = threads(1) as [Census]
  const limits = { ...unlimited, maxConnectionsPerSource: 4 }
  let refused = 0
  for (let at = 0; at < 10_000; at++) {
    if (!census.enter(from(`10.0.${at >> 8}.${at & 255}`), limits)) refused += 1
  }
  assert.equal(refused, 0)
})

test('everybody in and out again leaves nothing behind', () => {
  const [census] = threads(1) as [Census]
  const one = { maxConnections: 1, maxConnectionsPerSource: 1 }
  for (let at = 0; at < 5000; at++) {
    assert.equal(census.enter(from(`10.1.${at >> 8}.${at & 255}`), one), true)
    census.leave(from(`10.1.${at >> 8}.${at & 255}`))
  }
})

test('what a dead thread had counted is gone once its memory is wiped', () => {
  const memories = [Census.memory(), Census.memory()] as const
  const limits = { ...unlimited, maxConnections: 1 }
  assert.equal(new Census(memories, 0, 7).enter(from('192.0.2.1'), limits), true)
  const other = new Census(memories, 1, 7)
  assert.equal(other.enter(from('192.0.2.2'), limits), false)
  new Int32Array(memories[0]).fill(0)
  assert.equal(other.enter(from('192.0.2.2'), limits), true)
})
