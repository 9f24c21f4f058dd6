import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseGoDuration } from '../../../src/model/go-duration.ts'

const table: readonly (readonly [text: string, ms: number | null])[] = [
  ['0', 0],
  ['10s', 10_000],
  ['1m30s', 90_000],
  ['1h', 3_600_000],
  ['1.5h', 5_400_000],
  ['.5s', 500],
  ['2.s', 2000],
  ['300ms', 300],
  ['1500us', 1.5],
  ['1500µs', 1.5],
  ['-2s', -2000],
  ['+2s', 2000],
  ['1h2m3s4ms', 3_723_004],
  ['', null],
  ['10', null],
  ['s', null],
  ['.s', null],
  ['10 s', null],
  ['10s ', null],
  ['1d', null],
  ['1s2', null],
  ['--1s', null],
  ['1s-2s', null],
]

for (const [text, ms] of table) {
  test(`${JSON.stringify(text)} is ${ms === null ? 'no duration' : `${ms} ms`}`, () => {
    assert.equal(parseGoDuration(text), ms)
  })
}
