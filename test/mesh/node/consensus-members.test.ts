import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  nextMembershipStep,
  pickSuccessor,
  type MembershipView,
} from '../../../mesh/node/raft-members.ts'

interface Given {
  voters: number[]
  learners?: number[]
  managers: number[]
  match?: Record<number, number>
  silent?: number[]
  lastIndex?: number
}

/** Node 1 leads, its log ends at 1000 unless told otherwise. */
function view(given: Given): MembershipView {
  const { voters, learners = [], managers, match = {}, silent = [], lastIndex = 1000 } = given
  const progress = [...voters, ...learners].map((id) => ({
    id,
    match: match[id] ?? 1000,
    isRecentlyActive: !silent.includes(id),
  }))
  const sets = {
    voters: new Set(voters),
    learners: new Set(learners),
    managers: new Set(managers),
  }
  return { self: 1, ...sets, progress, lastIndex }
}

const step = (given: Given): unknown => {
  const found = nextMembershipStep(view(given))
  return found?.kind === 'change' ? found.change : found
}

test('nothing is to be done when Raft and the catalog agree', () => {
  assert.equal(step({ voters: [1, 2, 3], managers: [1, 2, 3] }), null)
})

test('a new manager listens first', () => {
  assert.deepEqual(step({ voters: [1], managers: [1, 2] }), { kind: 'add-learner', node: 2 })
})

test('a learner votes once it has caught up and is heard of', () => {
  const given = { voters: [1], learners: [2], managers: [1, 2] }
  assert.equal(step({ ...given, match: { 2: 500 } }), null)
  assert.equal(step({ ...given, silent: [2] }), null)
  assert.deepEqual(step({ ...given, match: { 2: 950 } }), { kind: 'add-node', node: 2 })
})

test('a learner that never answered has not caught up with a short log', () => {
  const given = { voters: [1], learners: [2], managers: [1, 2], lastIndex: 5 }
  assert.equal(step({ ...given, match: { 2: 0 } }), null)
  assert.deepEqual(step({ ...given, match: { 2: 4 } }), { kind: 'add-node', node: 2 })
})

test('who is no manager goes first, voter or learner', () => {
  const surplus = { voters: [1, 2, 3], managers: [1, 2, 4] }
  assert.deepEqual(step(surplus), { kind: 'remove-node', node: 3 })
  const listening = { voters: [1], learners: [5], managers: [1] }
  assert.deepEqual(step(listening), { kind: 'remove-node', node: 5 })
})

test('a leader that is no manager hands over to the best that is alive', () => {
  const given = { voters: [1, 2, 3], managers: [2, 3], match: { 2: 900, 3: 950 } }
  assert.deepEqual(step(given), { kind: 'hand-over', to: 3 })
  assert.deepEqual(step({ ...given, silent: [3] }), { kind: 'hand-over', to: 2 })
})

test('the last manager stays, whatever the catalog says', () => {
  assert.equal(step({ voters: [1], managers: [] }), null)
})

test('a learner never succeeds', () => {
  assert.equal(pickSuccessor(view({ voters: [1], learners: [2], managers: [1, 2] })), null)
})
