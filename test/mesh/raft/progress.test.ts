import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Inflights } from '../../../mesh/raft/inflights.ts'
import { Progress } from '../../../mesh/raft/progress.ts'

const limits = { maxMessages: 2, maxBytes: 100 }

const newProgress = (): Progress =>
  new Progress({ match: 3, next: 10, isLearner: false, isRecentlyActive: true }, limits)

test('a probed peer gets one message with entries, then waits', () => {
  const peer = newProgress()
  peer.sentEntries(0, 0)
  assert.equal(peer.isPaused, false)
  peer.sentEntries(2, 10)
  assert.equal(peer.isPaused, true)
  assert.equal(peer.next, 10)
})

test('a replicating peer gets messages until its window is full', () => {
  const peer = newProgress()
  peer.becomeReplicate()
  peer.sentEntries(2, 10)
  assert.deepEqual([peer.next, peer.isPaused], [6, false])
  peer.sentEntries(1, 10)
  assert.deepEqual([peer.next, peer.isPaused], [7, true])
  peer.inflights.freeUpTo(5)
  assert.equal(peer.inflights.count, 1)
  assert.ok(peer.maybeUpdate(5))
  assert.equal(peer.isPaused, false)
})

test('old answers change nothing', () => {
  const peer = newProgress()
  assert.equal(peer.maybeUpdate(3), false)
  assert.equal(peer.maybeDecrease(7, 5), false)
  peer.becomeReplicate()
  assert.equal(peer.maybeDecrease(3, 1), false)
  assert.equal(peer.next, 4)
})

test('a rejected probe goes back to the hint, but never behind what is known to match', () => {
  const peer = newProgress()
  assert.ok(peer.maybeDecrease(9, 6))
  assert.equal(peer.next, 7)
  assert.ok(peer.maybeDecrease(6, 1))
  assert.equal(peer.next, 4)
})

test('after a snapshot the peer is probed behind it, after a failed one where it was', () => {
  const peer = newProgress()
  peer.becomeSnapshot(20)
  assert.deepEqual([peer.isPaused, peer.next], [true, 21])
  peer.becomeProbe()
  assert.equal(peer.next, 21)
  peer.becomeSnapshot(20)
  peer.pendingSnapshot = 0
  peer.becomeProbe()
  assert.equal(peer.next, 4)
})

test('a window is full by messages or by bytes, and empties from its front', () => {
  const window = new Inflights({ maxMessages: 3, maxBytes: 100 })
  window.add(5, 60)
  assert.equal(window.isFull, false)
  window.add(6, 60)
  assert.equal(window.isFull, true)
  window.freeUpTo(4)
  assert.equal(window.count, 2)
  window.freeUpTo(5)
  assert.deepEqual([window.count, window.isFull], [1, false])
  window.freeUpTo(9)
  assert.equal(window.count, 0)
})
