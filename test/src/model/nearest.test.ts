import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { editDistance, nearest } from '../../../src/model/nearest.ts'

test('the distance counts typed changes', () => {
  assert.equal(editDistance('kitten', 'sitting'), 3)
  assert.equal(editDistance('', 'abc'), 3)
  assert.equal(editDistance('same', 'same'), 0)
})

test('it is the same both ways, and nothing only between equals', () => {
  const word = fc.string({ maxLength: 12 })
  fc.assert(
    fc.property(word, word, (left, right) => {
      assert.equal(editDistance(left, right), editDistance(right, left))
      assert.equal(editDistance(left, right) === 0, left === right)
    }),
  )
})

test('the nearest is named, the first of equals, and none without candidates', () => {
  assert.equal(nearest('prefr', ['balance', 'prefer', 'protocol']), 'prefer')
  assert.equal(nearest('x', ['a', 'b']), 'a')
  assert.equal(nearest('x', []), null)
})
