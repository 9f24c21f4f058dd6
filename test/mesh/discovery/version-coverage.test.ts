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
  for (const since of [10, 20, 30, 40]) coverage.cover(since, since + 10)
  coverage.cover(0, 10)
  assert.equal(coverage.through, 30)
})
