import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VersionCoverage } from '../../../mesh/discovery/version-coverage.ts'

test('stretches ahead wait until what is between has come', () => {
  const coverage = new VersionCoverage(8)
  coverage.cover(5, 7)
  coverage.cover(2, 5)
  assert.deepEqual([coverage.through, coverage.hasGap], [0, true])
  coverage.cover(0, 2)
  assert.deepEqual([coverage.through, coverage.hasGap], [7, false])
})

test('what is known already takes nothing back', () => {
  const coverage = new VersionCoverage(8)
  coverage.cover(0, 9)
  coverage.cover(0, 3)
  assert.equal(coverage.through, 9)
})

test('at most so many stretches are held, the nearest ones', () => {
  const coverage = new VersionCoverage(2)
  for (const since of [10, 20, 30, 40]) coverage.cover(since, since + 5)
  coverage.cover(0, 20)
  coverage.cover(25, 50)
  assert.equal(coverage.through, 50)
  coverage.restart()
  for (const since of [10, 20, 30, 40]) coverage.cover(since, since + 5)
  coverage.cover(0, 30)
  assert.equal(coverage.through, 30)
})

test('stretches that touch or overlap count as one', () => {
  const coverage = new VersionCoverage(1)
  for (const since of [30, 10, 20, 25, 10]) coverage.cover(since, since + 10)
  coverage.cover(0, 10)
  assert.deepEqual([coverage.through, coverage.hasGap], [35, false])
})
