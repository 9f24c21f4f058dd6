import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { PersistentMap } from '../../../mesh/catalog/persistent-map.ts'

const step = fc.record({ key: fc.integer({ min: 0, max: 400 }).map(String), add: fc.boolean() })

const sorted = (values: Iterable<number>): number[] => [...values].sort((a, b) => a - b)

test('it reads as a Map does after any adding and removing', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 600 }), (steps) => {
      const model = new Map<string, number>()
      let map = PersistentMap.empty<number>()
      for (const [at, { key, add }] of steps.entries()) {
        map = add ? map.with(key, at) : map.without(key)
        if (add) model.set(key, at)
        else model.delete(key)
      }
      assert.equal(map.size, model.size)
      for (const { key } of steps) assert.equal(map.get(key), model.get(key))
      assert.deepEqual(sorted(map.values()), sorted(model.values()))
    }),
  )
})

test('an older map is not touched by what is derived from it', () => {
  const old = Array.from({ length: 50 }, (_, at) => String(at)).reduce(
    (map, key) => map.with(key, key),
    PersistentMap.empty<string>(),
  )
  old.with('7', 'changed').without('8').with('new', 'new')
  assert.equal(old.get('7'), '7')
  assert.equal(old.get('8'), '8')
  assert.equal(old.get('new'), undefined)
})
