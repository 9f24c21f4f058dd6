import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { parseRfc3339, rfc3339 } from '../../../src/model/rfc3339.ts'

const dates = fc.date({
  min: new Date('0001-01-01T00:00:00.000Z'),
  max: new Date('9999-12-31T23:59:59.999Z'),
  noInvalidDate: true,
})

test('any date is written as the platform writes it, and read back', () => {
  fc.assert(
    fc.property(dates, (date) => {
      const text = rfc3339(date.getTime())
      assert.equal(text, date.toISOString())
      assert.equal(parseRfc3339(text), date.getTime())
    }),
  )
})

test('offsets, nanoseconds and lower case are read', () => {
  const expected = Date.parse('2026-11-24T20:26:42.123Z')
  assert.equal(parseRfc3339('2026-11-24T22:26:42.123456789+02:00'), expected)
  assert.equal(parseRfc3339('2026-11-24t18:56:42.123z'), expected - 90 * 60_000)
  assert.equal(parseRfc3339('2026-11-24T18:56:42.123-01:30'), expected)
  assert.equal(parseRfc3339('2026-11-24T20:26:42Z'), expected - 123)
})

for (const text of ['', 'now', '2026-11-24', '2026-11-24 20:26:42Z', '2026-11-24T20:26:42']) {
  test(`${JSON.stringify(text)} is no time`, () => assert.equal(parseRfc3339(text), null))
}
