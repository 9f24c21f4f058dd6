import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BanList } from '../../../mesh/membership/ban-list.ts'
import { LocalHealth } from '../../../mesh/membership/local-health.ts'
import { retransmitLimit } from '../../../mesh/membership/retransmit-limit.ts'
import { RumourQueue } from '../../../mesh/membership/rumour-queue.ts'
import { suspicionMinMs, suspicionTimeoutMs } from '../../../mesh/membership/suspicion.ts'
import { aliveOf, idOf, suspectOf } from './membership-fixture.ts'

test('a suspicion runs from its longest to its shortest as others confirm it', () => {
  const [none, one, two, many] = [0, 1, 2, 5].map((confirmations) =>
    suspicionTimeoutMs({ confirmations, confirmationsNeeded: 2, minMs: 1200, maxMs: 7200 }),
  )
  assert.deepEqual([none, two, many], [7200, 1200, 1200])
  assert.ok(one !== undefined && one > 1200 && one < 7200)
})

test('with nobody to confirm it a suspicion is short', () => {
  const alone = { confirmations: 0, confirmationsNeeded: 0, minMs: 1200, maxMs: 7200 }
  assert.equal(suspicionTimeoutMs(alone), 1200)
})

test('the shortest suspicion is 1.2 s up to a hundred members and grows slowly beyond', () => {
  const shortest = [1, 5, 100, 1000].map((members) =>
    suspicionMinMs({ mult: 3, probePeriodMs: 400, members }),
  )
  assert.deepEqual(shortest, [1200, 1200, 1200, 2400])
})

test('a rumour is repeated more often in a larger cluster', () => {
  assert.deepEqual(
    [1, 9, 10, 99, 100].map((members) => retransmitLimit(4, members)),
    [4, 4, 8, 8, 12],
  )
})

test('health stays within its levels and stretches every wait', () => {
  const health = new LocalHealth(8, 200)
  health.worsen(50)
  assert.deepEqual([health.score, health.stretch(100)], [7, 800])
  for (let at = 0; at < 10; at++) health.improve()
  assert.equal(health.score, 0)
  health.stalled(450)
  assert.equal(health.score, 2)
  health.stalled(0)
  assert.equal(health.score, 0)
})

test('the oldest ban makes room for the newest', () => {
  const bans = new BanList(2)
  for (const name of ['x', 'y', 'x', 'z']) bans.add(idOf(name))
  assert.deepEqual(
    ['x', 'y', 'z'].map((name) => bans.has(idOf(name))),
    [true, false, true],
  )
})

test('the least told rumour goes first, and one told often enough is dropped', () => {
  const queue = new RumourQueue(10, () => 100)
  queue.add(aliveOf('b', 1))
  assert.equal(queue.take(100, [], 2).length, 1)
  queue.add(aliveOf('c', 1))
  assert.deepEqual(queue.take(100, [], 2), [aliveOf('c', 1)])
  assert.equal(queue.take(1000, [], 2).length, 2)
  assert.deepEqual([queue.take(1000, [], 2), queue.length], [[], 0])
})

test('news about a member replaces old news, but every accuser counts', () => {
  const queue = new RumourQueue(10, () => 1)
  for (const rumour of [
    aliveOf('b', 1),
    suspectOf('b', 1, 'c'),
    suspectOf('b', 1, 'd'),
    suspectOf('b', 1, 'c'),
  ])
    queue.add(rumour)
  assert.equal(queue.length, 2)
  queue.add(aliveOf('b', 2))
  assert.equal(queue.length, 1)
})

test('a full queue drops what was told most often', () => {
  const queue = new RumourQueue(2, () => 100)
  queue.add(aliveOf('b', 1))
  queue.take(100, [], 9)
  queue.add(aliveOf('c', 1))
  queue.add(aliveOf('d', 1))
  assert.deepEqual(queue.take(1000, [], 9), [aliveOf('d', 1), aliveOf('c', 1)])
})
