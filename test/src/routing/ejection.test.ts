import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ejection } from '../../../src/routing/ejection.ts'
import { PeakLatency } from '../../../src/routing/peak-latency.ts'
import { RetryBudget } from '../../../src/routing/retry-budget.ts'

test('three failures in a row eject, two and a success do not', () => {
  const ejection = new Ejection()
  for (let at = 0; at < 5; at++) {
    assert.equal(ejection.failed(0, false), false)
    assert.equal(ejection.failed(0, false), false)
    ejection.succeeded()
  }
  assert.equal(ejection.isOpenAt(0), true)
  assert.deepEqual(
    [1, 2, 3].map(() => ejection.failed(0, false)),
    [false, false, true],
  )
  assert.equal(ejection.isOpenAt(999), false)
})

test('one refusal ejects at once, and those already on their way do not add to it', () => {
  const ejection = new Ejection()
  assert.equal(ejection.failed(0, true), true)
  assert.equal(ejection.failed(1, true), false)
  assert.equal(ejection.failed(2, true), false)
  assert.equal(ejection.isOpenAt(1000), true)
})

test('after its time one request tries; what becomes of it counts for all', () => {
  const ejection = new Ejection()
  ejection.failed(0, true)
  assert.equal(ejection.isOpenAt(1000), true)
  ejection.asked()
  assert.equal(ejection.isOpenAt(1000), false, 'one is enough')
  assert.equal(ejection.failed(1000, false), true)
  assert.equal(ejection.isOpenAt(2999), false, 'for twice as long')
  assert.equal(ejection.isOpenAt(3000), true)
  ejection.asked()
  ejection.succeeded()
  assert.equal(ejection.isOpenAt(3000), true)
  ejection.asked()
  assert.equal(ejection.isOpenAt(3000), true)
})

test('a probe whose client went away lets the next one try', () => {
  const ejection = new Ejection()
  ejection.failed(0, true)
  ejection.asked()
  ejection.abandoned()
  assert.equal(ejection.isOpenAt(1000), true)
})

test('ejections get longer, up to half a minute', () => {
  const ejection = new Ejection()
  let nowMs = 0
  const lengthsMs: number[] = []
  for (let at = 0; at < 8; at++) {
    ejection.failed(nowMs, true)
    const fromMs = nowMs
    while (!ejection.isOpenAt(nowMs)) nowMs += 500
    lengthsMs.push(nowMs - fromMs)
  }
  assert.deepEqual(lengthsMs, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
})

test('a slow answer counts in full, quick ones pull the figure down, and it fades', () => {
  const latency = new PeakLatency()
  assert.equal(latency.at(0), 0)
  latency.observe(10, 0)
  latency.observe(500, 100)
  assert.equal(latency.at(100), 500)
  latency.observe(10, 200)
  assert.ok(latency.at(200) < 500 && latency.at(200) > 400)
  for (let nowMs = 300; nowMs < 60_000; nowMs += 100) latency.observe(10, nowMs)
  assert.ok(Math.abs(latency.at(60_000) - 10) < 1)
  assert.ok(latency.at(90_000) < 1)
})

test('a fifth of all requests may be sent twice, and a few more where there are not many', () => {
  const budget = new RetryBudget()
  let taken = 0
  while (budget.take(0)) taken += 1
  assert.equal(taken, 100, 'a burst')
  for (let at = 0; at < 50; at++) budget.requested()
  taken = 0
  while (budget.take(0)) taken += 1
  assert.ok(taken >= 9 && taken <= 10, `${taken}`)
  taken = 0
  while (budget.take(2000)) taken += 1
  assert.ok(taken >= 20 && taken <= 21, `${taken}`)
})
