import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeMessage, noBytes } from '../../../mesh/raft/message.ts'
import type { Message } from '../../../mesh/raft/types.ts'
import { bytes, RaftNetwork } from './raft-network.ts'

test('a proposal at a follower reaches the leader and is applied everywhere', () => {
  const network = new RaftNetwork({ voters: [1, 2, 3] })
  const leader = network.leader()
  const follower = network.up.find(({ id }) => id !== leader.id)
  assert.equal(follower?.node.propose(bytes('forwarded')), 'ok')
  network.settle()
  network.tick(2)
  for (const { applied } of network.up) assert.deepEqual(applied, ['forwarded'])
})

test('without a majority nothing is applied', () => {
  const network = new RaftNetwork({ voters: [1, 2, 3] })
  const leader = network.leader()
  network.isolate(leader.id)
  assert.equal(leader.node.propose(bytes('lonely')), 'ok')
  network.tick(3)
  assert.deepEqual(leader.applied, [])
})

test('what a lost leader alone held gives way to what the others agreed on', () => {
  const network = new RaftNetwork({ voters: [1, 2, 3] })
  network.commit('a')
  const old = network.leader()
  network.isolate(old.id)
  for (const text of ['x', 'y', 'z']) old.node.propose(bytes(text))
  network.tick(20)
  network.leader().node.propose(bytes('b'))
  network.heal()
  network.commit('c')
  for (const { applied } of network.up) assert.deepEqual(applied, ['a', 'b', 'c'])
})

test('an entry of an earlier term is committed only behind one of the leader’s own', () => {
  // Figure 8 of the Raft paper: counted alone, it could still be replaced later.
  const member = new RaftNetwork({ voters: [1, 2, 3] }).at(1)
  const old = { term: 2, index: 2, kind: 'normal', data: bytes('old') } as const
  const append = { from: 2, term: 2, index: 1, logTerm: 1, entries: [old] }
  member.node.step(makeMessage('append', 1, append))
  member.processReady()
  member.node.step(makeMessage('timeout-now', 1, { from: 2, term: 2 }))
  member.processReady()
  member.node.step(makeMessage('vote-response', 1, { from: 2, term: 3 }))
  member.processReady()
  assert.equal(member.node.status().role, 'leader')
  const hear = (index: number): number => {
    member.node.step(makeMessage('append-response', 1, { from: 3, term: 3, index }))
    return member.node.status().commit
  }
  assert.equal(hear(2), 1)
  assert.equal(hear(3), 3)
})

test('a follower that is too far behind gets a snapshot and then the rest of the log', () => {
  const network = new RaftNetwork({ voters: [1, 2, 3] })
  network.commit('a')
  const leader = network.leader()
  const behind = network.up.find(({ id }) => id !== leader.id)
  assert.ok(behind)
  behind.isUp = false
  network.commit('b')
  for (const node of network.up) node.compact()
  network.commit('c')
  behind.restart()
  network.tickUntil(() => behind.applied.length === 3, 'the snapshot')
  assert.deepEqual(behind.applied, ['a', 'b', 'c'])
  assert.equal(behind.log.snapshot()?.meta.index, leader.log.snapshot()?.meta.index)
})

test('after a snapshot that was lost on the way the leader tries again', () => {
  const network = new RaftNetwork({ voters: [1, 2, 3] })
  network.commit('a')
  const leader = network.leader()
  const behind = network.up.find(({ id }) => id !== leader.id)
  assert.ok(behind)
  behind.isUp = false
  network.commit('b')
  for (const node of network.up) node.compact()
  let lost = 0
  network.passes = ({ kind }) => {
    if (kind !== 'snapshot' || lost === 2) return true
    lost++
    return false
  }
  behind.restart()
  network.tickUntil(() => behind.applied.includes('b'), 'the third snapshot')
  assert.equal(lost, 2)
})

test('a heartbeat never tells a commit index that its receiver may not hold', () => {
  const network = new RaftNetwork({ voters: [1, 2, 3] })
  network.commit('a')
  const leader = network.leader()
  const behind = network.up.find(({ id }) => id !== leader.id)
  assert.ok(behind)
  const told: number[] = []
  network.passes = (message) => {
    if (message.to !== behind.id) return true
    if (message.kind === 'heartbeat') told.push(message.commit)
    return message.kind === 'heartbeat'
  }
  leader.node.propose(bytes('b'))
  network.tick(5)
  assert.ok(leader.applied.includes('b'))
  assert.ok(told.length > 0)
  const held = behind.node.status().lastIndex
  assert.ok(told.every((commit) => commit <= held))
})

test('the window bounds what is sent ahead to a peer that does not answer', () => {
  const raft = { maxInflightMessages: 4, isCheckQuorumOn: false }
  const network = new RaftNetwork({ voters: [1, 2, 3], raft })
  network.commit('a')
  const leader = network.leader()
  const silent = network.up.find(({ id }) => id !== leader.id)
  assert.ok(silent)
  let sent = 0
  network.passes = ({ kind, to, entries }) => {
    if (to !== silent.id) return true
    if (kind === 'append' && entries.length > 0) sent++
    return false
  }
  for (let count = 0; count < 20; count++) {
    leader.node.propose(bytes(String(count)))
    network.settle()
  }
  assert.equal(sent, 4)
  network.heal()
  network.tickUntil(() => silent.applied.length === 21, 'catching up')
})

test('entries travel in messages of limited size, but the largest entry travels too', () => {
  const network = new RaftNetwork({ voters: [1, 2], raft: { maxBytesPerMessage: 100 } })
  network.commit('a')
  const leader = network.leader()
  const other = network.up.find(({ id }) => id !== leader.id)
  assert.ok(other)
  other.isUp = false
  for (let count = 0; count < 10; count++) leader.node.propose(bytes('x'.repeat(40)))
  leader.node.propose(bytes('y'.repeat(500)))
  network.settle()
  const sizes: number[] = []
  network.passes = (message) => {
    const size = message.entries.reduce((sum, { data }) => sum + data.length, 0)
    if (message.kind === 'append') sizes.push(size)
    return true
  }
  other.restart()
  network.tickUntil(() => other.applied.length === 12, 'all entries')
  assert.ok(sizes.every((size) => size <= 100 || size === 500))
  assert.ok(sizes.some((size) => size === 80))
})

test('a leader drops proposals while too much is uncommitted', () => {
  const network = new RaftNetwork({ voters: [1, 2, 3], raft: { maxUncommittedBytes: 100 } })
  const leader = network.leader()
  network.passes = () => false
  assert.equal(leader.node.propose(bytes('x'.repeat(90))), 'ok')
  assert.equal(leader.node.propose(bytes('x'.repeat(90))), 'proposal-dropped')
  network.heal()
  network.tick(2)
  assert.equal(leader.node.propose(bytes('x'.repeat(90))), 'ok')
})

test('committed entries are handed out in portions of limited size', () => {
  const network = new RaftNetwork({ voters: [1], raft: { maxCommittedBytesPerReady: 100 } })
  const { node, log } = network.leader()
  for (let count = 0; count < 5; count++) node.propose(bytes('x'.repeat(60)))
  const portions: number[] = []
  for (let turn = 0; turn < 10 && node.hasReady(); turn++) {
    const ready = node.ready()
    if (ready.hardState) log.setHardState(ready.hardState)
    log.append(ready.entries)
    portions.push(ready.committed.length)
    node.advance()
  }
  assert.deepEqual(portions, [0, 1, 1, 1, 1, 1])
})

test('local kinds and answers of strangers are refused', () => {
  const { node } = new RaftNetwork({ voters: [1, 2, 3] }).at(1)
  const refusalOf = (kind: Message['kind'], from: number): string =>
    node.step(makeMessage(kind, 1, { from, term: 1 }))
  assert.equal(refusalOf('hup', 2), 'local-message')
  assert.equal(refusalOf('unreachable', 2), 'local-message')
  assert.equal(refusalOf('append-response', 9), 'unknown-peer')
  assert.equal(refusalOf('append-response', 2), 'ok')
})

test('a proposal that carries nothing, or a change that cannot be read, is dropped', () => {
  const network = new RaftNetwork({ voters: [1] })
  const { node } = network.leader()
  assert.equal(node.step(makeMessage('propose', 1, { from: 1 })), 'proposal-dropped')
  const entries = [{ term: 0, index: 0, kind: 'conf-change-v2', data: bytes('?') }] as const
  assert.equal(node.step(makeMessage('propose', 1, { from: 1, entries })), 'proposal-dropped')
  assert.equal(node.propose(noBytes), 'ok')
})
