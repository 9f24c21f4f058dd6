import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeMessage } from '../../../mesh/raft/message.ts'
import { bytes, RaftNetwork } from './raft-network.ts'

for (const voters of [[1], [1, 2, 3], [1, 2, 3, 4, 5]]) {
  test(`${voters.length} nodes elect a leader, and another one when it is gone`, () => {
    const network = new RaftNetwork({ voters })
    const first = network.leader()
    network.commit('before')
    first.isUp = false
    if (voters.length > 1) {
      const second = network.leader()
      assert.notEqual(second.id, first.id)
      network.commit('after')
    }
    first.restart()
    network.commit('together')
    assert.deepEqual(network.at(1).applied, network.leader().applied)
  })
}

test('a node that was cut off raises no term and costs the leader nothing when it returns', () => {
  const network = new RaftNetwork({ voters: [1, 2, 3] })
  const leader = network.leader()
  const { term } = leader.node.status()
  const away = network.up.find(({ id }) => id !== leader.id)
  assert.ok(away)
  network.isolate(away.id)
  network.tick(100)
  assert.equal(away.node.status().role, 'pre-candidate')
  assert.equal(away.node.status().term, term)
  network.heal()
  network.commit('after')
  assert.equal(network.leader().id, leader.id)
  assert.equal(leader.node.status().term, term)
})

test('a leader that no majority answers steps down and takes no more proposals', () => {
  const network = new RaftNetwork({ voters: [1, 2, 3] })
  const leader = network.leader()
  network.isolate(leader.id)
  network.tick(20)
  assert.notEqual(leader.node.status().role, 'leader')
  assert.equal(leader.node.propose(bytes('lost')), 'no-leader')
  assert.notEqual(network.leader().id, leader.id)
})

test('a vote is not asked of those who have just heard their leader', () => {
  const network = new RaftNetwork({ voters: [1, 2, 3] })
  const leader = network.leader()
  const { term, lastIndex } = leader.node.status()
  const follower = network.up.find(({ id }) => id !== leader.id)
  assert.ok(follower)
  const request = { from: 9, term: term + 5, index: lastIndex + 9, logTerm: term + 4 }
  follower.node.step(makeMessage('vote', follower.id, request))
  network.settle()
  assert.equal(follower.node.status().term, term)
})

test('a node votes once in a term, also when it restarts in between', () => {
  const network = new RaftNetwork({ voters: [1, 2, 3], raft: { isCheckQuorumOn: false } })
  const voter = network.at(3)
  const ask = (from: number): boolean => {
    voter.node.step(makeMessage('vote', 3, { from, term: 7, index: 9, logTerm: 6 }))
    const answers = voter.processReady()
    assert.equal(answers.length, 1)
    assert.equal(answers[0]?.kind, 'vote-response')
    return answers[0].reject
  }
  assert.equal(ask(1), false)
  voter.restart()
  assert.equal(ask(2), true)
  assert.equal(ask(1), false)
})

test('a candidate whose log is behind gets no vote', () => {
  const network = new RaftNetwork({ voters: [1, 2, 3] })
  network.commit('a')
  const leader = network.leader()
  const behind = network.up.find(({ id }) => id !== leader.id)
  assert.ok(behind)
  network.isolate(behind.id)
  leader.node.propose(bytes('b'))
  network.settle()
  leader.isUp = false
  network.heal()
  const next = network.leader()
  assert.notEqual(next.id, behind.id)
  network.commit('c')
  assert.deepEqual(behind.applied, ['a', 'b', 'c'])
})

test('leadership goes to the node that it is given to, without waiting for a time-out', () => {
  const network = new RaftNetwork({ voters: [1, 2, 3] })
  network.commit('a')
  const leader = network.leader()
  const heir = network.up.find(({ id }) => id !== leader.id)
  assert.ok(heir)
  leader.node.transferLeader(heir.id)
  network.settle()
  assert.equal(heir.node.status().role, 'leader')
  assert.equal(leader.node.status().lead, heir.id)
  network.commit('b')
})

test('a leader takes no proposals while it gives leadership away, and again when that fails', () => {
  const network = new RaftNetwork({ voters: [1, 2, 3] })
  network.commit('a')
  const leader = network.leader()
  const heir = network.up.find(({ id }) => id !== leader.id)
  assert.ok(heir)
  heir.isUp = false
  leader.node.transferLeader(heir.id)
  assert.equal(leader.node.propose(bytes('b')), 'proposal-dropped')
  network.tick(5)
  assert.equal(leader.node.propose(bytes('c')), 'ok')
})
