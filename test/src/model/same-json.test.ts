import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { sameJson } from '../../../src/model/same-json.ts'

test('a value is the same as what JSON makes of it', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => sameJson(value, JSON.parse(JSON.stringify(value)))),
  )
})

test('order of members and undefined ones do not matter, everything else does', () => {
  assert.ok(sameJson({ a: 1, b: { c: [1, 2] } }, { b: { c: [1, 2] }, a: 1, d: undefined }))
  const different: readonly (readonly [unknown, unknown])[] = [
    [{ a: 1 }, { a: 2 }],
    [{ a: 1 }, { a: 1, b: null }],
    [
      [1, 2],
      [2, 1],
    ],
    [[1], [1, 2]],
    [[], {}],
    [null, {}],
    [0, false],
    ['1', 1],
  ]
  for (const [left, right] of different) assert.equal(sameJson(left, right), false)
})
