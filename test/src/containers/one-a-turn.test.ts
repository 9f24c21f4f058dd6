import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OneATurn } from '../../../src/containers/one-a-turn.ts'

test('of many that come at once one passes in each turn, the first one first', async () => {
  const gate = new OneATurn()
  let turns = 0
  let isOver = false
  const count = (): void => {
    turns++
    if (!isOver) setImmediate(count)
  }
  const passed: number[] = []
  const turnsOf: number[] = []
  setImmediate(count)
  await Promise.all(
    Array.from({ length: 50 }, async (_, number) => {
      await gate.pass()
      passed.push(number)
      turnsOf.push(turns)
    }),
  )
  isOver = true
  assert.deepEqual(
    passed,
    Array.from({ length: 50 }, (_, number) => number),
  )
  assert.equal(new Set(turnsOf).size, 50)
})
