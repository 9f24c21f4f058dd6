import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytes, RaftNetwork, type NetworkNode } from './raft-network.ts'

const contexts = ({ reads }: NetworkNode): string[] => reads.map(({ context }) => context)

for (const voters of [[1], [1, 2, 3]]) {
  test(`with ${voters.length} nodes a read at any of them is answered at or after the last write`, () => {
    const network = new RaftNetwork({ voters })
    network.commit('a')
    const { commit } = network.leader().node.status()
    for (const reader of network.up) {
      reader.node.readIndex(bytes(`read at ${reader.id}`))
      network.settle()
      assert.deepEqual(contexts(reader), [`read at ${reader.id}`])
      assert.ok((reader.reads[0]?.index ?? 0) >= commit)
    }
  })
}

test('a leader that was cut off answers no read, though it still believes in itself', () => {
  const network = new RaftNetwork({ voters: [1, 2, 3] })
  network.commit('a')
  const leader = network.leader()
  network.isolate(leader.id)
  assert.equal(leader.node.status().role, 'leader')
  leader.node.readIndex(bytes('stale'))
  network.tick(30)
  assert.deepEqual(leader.reads, [])
})

test('answers to heartbeats sent before a read do not confirm it', () => {
  const network = new RaftNetwork({ voters: [1, 2, 3] })
  network.commit('a')
  const leader = network.leader()
  // A round without the read is on its way back when the read comes.
  network.passes = ({ kind }) => kind !== 'heartbeat'
  network.tick()
  leader.node.readIndex(bytes('r'))
  network.settle()
  assert.deepEqual(contexts(leader), [])
  network.passes = () => true
  network.tick()
  assert.deepEqual(contexts(leader), ['r'])
})

test('one round of heartbeats confirms all reads that wait', () => {
  const network = new RaftNetwork({ voters: [1, 2, 3] })
  network.commit('a')
  const leader = network.leader()
  network.passes = ({ kind }) => kind !== 'heartbeat-response'
  for (const context of ['x', 'y', 'z']) leader.node.readIndex(bytes(context))
  network.settle()
  assert.deepEqual(contexts(leader), [])
  network.passes = () => true
  network.tick()
  assert.deepEqual(contexts(leader), ['x', 'y', 'z'])
})

test('a new leader answers reads only after it has committed something of its own', () => {
  const network = new RaftNetwork({ voters: [1, 2, 3] })
  network.commit('a')
  const old = network.leader()
  old.isUp = false
  network.passes = ({ kind }) => kind !== 'append'
  network.tickUntil(
    () => network.up.some(({ node }) => node.status().role === 'leader'),
    'a new leader',
  )
  const leader = network.up.find(({ node }) => node.status().role === 'leader')
  assert.ok(leader)
  leader.node.readIndex(bytes('early'))
  network.settle()
  assert.deepEqual(contexts(leader), [])
  network.passes = () => true
  network.tick(3)
  assert.deepEqual(contexts(leader), ['early'])
})

test('a read that meets no leader is dropped', () => {
  const network = new RaftNetwork({ voters: [1, 2, 3] })
  network.at(1).node.readIndex(bytes('nobody'))
  network.settle()
  network.leader()
  assert.deepEqual(network.at(1).reads, [])
})

test('what was asked of an earlier leadership is not answered by a later one', () => {
  const network = new RaftNetwork({ voters: [1, 2, 3] })
  network.commit('a')
  const leader = network.leader()
  network.isolate(leader.id)
  leader.node.readIndex(bytes('old'))
  network.tick(20)
  assert.equal(leader.node.status().role, 'pre-candidate')
  network.heal()
  network.commit('b')
  network.leader().node.transferLeader(leader.id)
  network.commit('c')
  assert.equal(network.leader().id, leader.id)
  leader.node.readIndex(bytes('new'))
  network.settle()
  assert.deepEqual(contexts(leader), ['new'])
})
