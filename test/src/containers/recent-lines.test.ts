import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogLine, LogQuery } from '../../../src/model/log-line.ts'
import { RecentLines } from '../../../src/containers/recent-lines.ts'

const at = (number: number): string =>
  `2026-01-01T00:00:00.${String(number * 1000).padStart(9, '0')}Z`

const line = (number: number, stream: LogLine['stream'] = 'stdout'): LogLine => ({
  at: at(number),
  stream,
  attributes: '',
  text: Buffer.from(`${stream} ${number}`),
})

const following: LogQuery = {
  stdout: true,
  stderr: true,
  follow: true,
  tail: null,
  since: null,
  until: null,
}

/** What a reader has after the first `got` lines and a second look at what Docker wrote down. */
function readInTwo(written: readonly LogLine[], got: number): LogLine[] {
  const recent = new RecentLines()
  const first = written.slice(0, got)
  for (const each of first) recent.add(each)
  const { since, follow, tail } = recent.rest(following, at(0))
  assert.deepEqual([follow, tail], [false, null])
  const second = written.filter((each) => since === null || each.at >= since)
  return [...first, ...second.filter((each) => !recent.take(each))]
}

test('nothing is missing and nothing comes twice, wherever the first reading ended', () => {
  const written = Array.from({ length: 300 }, (_, index) => line(index))
  // Both streams at the same time, a message in two parts, and two lines in another order.
  written.splice(100, 0, line(99, 'stderr'), line(98, 'stderr'), line(97, 'stderr'))
  written.splice(200, 0, line(196), line(196))
  for (let got = 0; got <= written.length; got++) {
    const read = readInTwo(written, got)
    assert.equal(read.length, written.length, `after ${got}`)
    assert.deepEqual(read.at(-1), written.at(-1))
  }
})

test('who wanted only what is new gets that, though the first reading brought nothing', () => {
  const recent = new RecentLines()
  const onlyNew = recent.rest({ ...following, tail: 0 }, at(5))
  assert.deepEqual([onlyNew.tail, onlyNew.since], [null, at(5)])
  const lastTwo = recent.rest({ ...following, tail: 2, since: at(1) }, at(5))
  assert.deepEqual([lastTwo.tail, lastTwo.since], [2, at(1)])
})
