import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  jointCommitted,
  jointVote,
  majorityCommitted,
  majorityVote,
} from '../../../mesh/raft/quorum.ts'

const voters = fc
  .uniqueArray(fc.integer({ min: 1, max: 9 }), { minLength: 1 })
  .map((ids) => new Set(ids))

const indexes = fc.array(fc.nat(9), { minLength: 10, maxLength: 10 })

const votes = fc
  .array(fc.option(fc.boolean()), { minLength: 10, maxLength: 10 })
  .map((all) => new Map(all.flatMap((vote, id) => (vote === null ? [] : [[id, vote]]))))

test('a majority holds what is committed, and none holds more', () => {
  fc.assert(
    fc.property(voters, indexes, (ids, held) => {
      const committed = majorityCommitted(ids, (id) => held[id])
      const holding = (index: number): number =>
        [...ids].filter((id) => (held[id] ?? 0) >= index).length
      assert.ok(holding(committed) > ids.size / 2)
      assert.ok(holding(committed + 1) <= ids.size / 2)
    }),
  )
})

test('of two majorities the one that holds less decides', () => {
  const held = new Map([
    [1, 5],
    [2, 5],
    [3, 1],
    [4, 3],
    [5, 2],
    [6, 2],
  ])
  const both = { incoming: new Set([1, 2, 3]), outgoing: new Set([4, 5, 6]) }
  assert.equal(
    jointCommitted(both, (id) => held.get(id)),
    2,
  )
  const one = { ...both, outgoing: new Set<number>() }
  assert.equal(
    jointCommitted(one, (id) => held.get(id)),
    5,
  )
})

test('a vote is decided exactly when those that are missing cannot change it', () => {
  fc.assert(
    fc.property(voters, votes, (ids, given) => {
      const ifAllMissingSay = (vote: boolean): string =>
        majorityVote(ids, new Map([...ids].map((id) => [id, given.get(id) ?? vote])))
      const [best, worst] = [ifAllMissingSay(true), ifAllMissingSay(false)]
      assert.equal(majorityVote(ids, given), best === worst ? best : 'pending')
    }),
  )
})

test('two majorities must both grant, and each of them can refuse', () => {
  const both = { incoming: new Set([1]), outgoing: new Set([2]) }
  const result = (...answers: [number, boolean][]): string => jointVote(both, new Map(answers))
  assert.equal(result([1, true]), 'pending')
  assert.equal(result([1, false]), 'lost')
  assert.equal(result([2, false]), 'lost')
  assert.equal(result([1, true], [2, true]), 'won')
})
