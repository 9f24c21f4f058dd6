import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMoment } from '../../../src/meshctl/moment.ts'

const io = { nowMs: () => 1_000_000 } as Parameters<typeof parseMoment>[0]
const moment = (text: string): string | undefined => parseMoment(io, 'since', text)

test('a moment is a duration ago, a date, or seconds since 1970', () => {
  assert.equal(moment('10m'), '400.000')
  assert.equal(moment('1m30s'), '910.000')
  assert.equal(moment('1767225600.5'), '1767225600.5')
  assert.equal(moment('2026-01-01T00:00:00Z'), '1767225600.000')
  assert.equal(moment('2026-01-01T02+02:00'), '1767225600.000')
  const local = (new Date(2026, 0, 1).getTime() / 1000).toFixed(3)
  assert.equal(moment('2026-01-01'), local)
  assert.equal(moment(''), undefined)
})

test('what is no moment is refused, with what is one', () => {
  for (const text of ['yesterday', '5 m', '2026-13-45T00:00:00Z']) {
    assert.throws(() => moment(text), /invalid --since/)
  }
})
