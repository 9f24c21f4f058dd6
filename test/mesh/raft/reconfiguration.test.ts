import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeConfChange } from '../../../mesh/raft/conf-change.ts'
import { makeMessage, noBytes } from '../../../mesh/raft/message.ts'
import type { ConfChange, ConfChangeSingle } from '../../../mesh/raft/types.ts'
import { RaftNetwork } from './raft-network.ts'

const change = (
  changes: ConfChangeSingle[],
  transition: ConfChange['transition'] = 'auto',
): ConfChange => ({ transition, changes, context: noBytes })

const voters = (network: RaftNetwork, id: number): number[] => {
  const { incoming, outgoing } = network.at(id).node.status().configuration
  assert.equal(outgoing.size, 0, 'no change is under way')
  return [...incoming].sort((a, b) => a - b)
}

test('a cluster of one grows to three, one learner at a time', () => {
  const network = new RaftNetwork({ voters: [1] })
  network.commit('a')
  for (const id of [2, 3]) {
    network.add(id)
    network.leader().node.proposeConfChange(change([{ kind: 'add-learner', node: id }]))
    network.tickUntil(() => network.at(id).applied.includes('a'), `${id} learns`)
    network.leader().node.proposeConfChange(change([{ kind: 'add-node', node: id }]))
    network.tickUntil(() => voters(network, id).includes(id), `${id} votes`)
  }
  network.commit('b')
  network.leader().isUp = false
  network.commit('c')
})

test('a node joins by a snapshot that is older than its joining, and the log behind it', () => {
  const network = new RaftNetwork({ voters: [1] })
  network.commit('a')
  network.at(1).compact()
  network.commit('b')
  const joiner = network.add(2)
  network.leader().node.proposeConfChange(change([{ kind: 'add-node', node: 2 }]))
  network.commit('c')
  assert.deepEqual(joiner.log.snapshot()?.meta.confState.voters, [1])
  assert.deepEqual(joiner.applied, ['a', 'b', 'c'])
  assert.deepEqual(voters(network, 2), [1, 2])
})

test('a learner does not count, and does not campaign', () => {
  const network = new RaftNetwork({ voters: [1] })
  network.add(2)
  network.leader().node.proposeConfChange(change([{ kind: 'add-learner', node: 2 }]))
  network.commit('a')
  network.isolate(2)
  network.at(1).node.propose(new TextEncoder().encode('alone'))
  network.settle()
  assert.deepEqual(network.at(1).applied, ['a', 'alone'])
  network.tick(50)
  assert.equal(network.at(2).node.status().role, 'follower')
})

test('two voters are replaced at once through a joint configuration that is left by itself', () => {
  const network = new RaftNetwork({ voters: [1, 2, 3] })
  network.commit('a')
  const leader = network.leader()
  const others = [1, 2, 3].filter((id) => id !== leader.id)
  network.add(4)
  network.add(5)
  const changes: ConfChangeSingle[] = [
    ...others.map((node) => ({ kind: 'remove-node' as const, node })),
    { kind: 'add-node', node: 4 },
    { kind: 'add-node', node: 5 },
  ]
  assert.equal(leader.node.proposeConfChange(change(changes)), 'ok')
  network.tickUntil(() => leader.node.status().configuration.incoming.has(4), 'joint')
  network.tickUntil(() => leader.node.status().configuration.outgoing.size === 0, 'left')
  assert.deepEqual(voters(network, leader.id), [leader.id, 4, 5])
  for (const id of others) network.at(id).isUp = false
  network.commit('b')
})

test('in a joint configuration both majorities are needed', () => {
  const network = new RaftNetwork({ voters: [1, 2, 3], raft: { isCheckQuorumOn: false } })
  const leader = network.leader()
  network.add(4)
  network.add(5)
  const others = [1, 2, 3].filter((id) => id !== leader.id)
  const changes: ConfChangeSingle[] = [
    { kind: 'remove-node', node: others[0] ?? 0 },
    { kind: 'add-node', node: 4 },
    { kind: 'add-node', node: 5 },
  ]
  leader.node.proposeConfChange(change(changes, 'joint-explicit'))
  network.commit('in')
  // The incoming majority is there, but the outgoing one is not.
  for (const id of others) network.at(id).isUp = false
  leader.node.propose(new TextEncoder().encode('blocked'))
  network.tick(5)
  assert.ok(!leader.applied.includes('blocked'))
  for (const id of others) network.at(id).restart()
  network.tickUntil(() => leader.applied.includes('blocked'), 'both majorities')
  network.leader().node.proposeConfChange(change([]))
  network.tickUntil(() => leader.node.status().configuration.outgoing.size === 0, 'left')
})

test('a leader that removes itself steps down, and the others go on', () => {
  const network = new RaftNetwork({ voters: [1, 2, 3] })
  network.commit('a')
  const leader = network.leader()
  leader.node.proposeConfChange(change([{ kind: 'remove-node', node: leader.id }]))
  network.tickUntil(() => leader.node.status().role === 'follower', 'stepping down')
  leader.isUp = false
  network.nodes.delete(leader.id)
  network.commit('b')
  leader.isUp = true
  leader.node.campaign()
  assert.equal(leader.node.status().role, 'follower')
})

test('a second change before the first is applied becomes an empty entry', () => {
  const network = new RaftNetwork({ voters: [1] })
  const { node } = network.leader()
  assert.equal(node.proposeConfChange(change([{ kind: 'add-learner', node: 2 }])), 'ok')
  assert.equal(node.proposeConfChange(change([{ kind: 'add-learner', node: 3 }])), 'ok')
  network.tick()
  const { learners } = node.status().configuration
  assert.deepEqual([...learners], [2])
})

test('the membership outlives a restart, from the log and from a snapshot', () => {
  const network = new RaftNetwork({ voters: [1] })
  network.add(2)
  network.leader().node.proposeConfChange(change([{ kind: 'add-node', node: 2 }]))
  network.commit('a')
  for (const isCompacted of [false, true]) {
    for (const node of network.up) {
      if (isCompacted) node.compact()
      node.restart()
    }
    network.leader()
    network.commit(`after ${isCompacted}`)
    assert.deepEqual(voters(network, 1), [1, 2])
    assert.deepEqual(voters(network, 2), [1, 2])
  }
})

test('nobody campaigns before it has applied the change of membership that it knows of', () => {
  const network = new RaftNetwork({ voters: [1, 2, 3], raft: { isPreVoteOn: false } })
  const { node } = network.at(1)
  const data = encodeConfChange(change([{ kind: 'remove-node', node: 1 }]))
  const entries = [{ term: 2, index: 2, kind: 'conf-change-v2', data }] as const
  const append = { from: 2, term: 2, index: 1, logTerm: 1, entries, commit: 2 }
  node.step(makeMessage('append', 1, append))
  node.campaign()
  assert.equal(node.status().role, 'follower')
})
