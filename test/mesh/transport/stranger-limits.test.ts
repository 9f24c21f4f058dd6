import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AskingRate, Attendance } from '../../../mesh/transport/stranger-limits.ts'
import { FakeClock } from '../../support/fake-clock.ts'

test('so many are attended to at once, from one address and altogether', () => {
  const attendance = new Attendance({ whole: 3, perAddress: 2 })
  const [first, second] = [attendance.enter('10.0.0.1'), attendance.enter('10.0.0.1')]
  assert.ok(first !== null && second !== null)
  assert.equal(attendance.enter('10.0.0.1'), null)
  assert.ok(attendance.enter('10.0.0.2') !== null)
  assert.equal(attendance.enter('10.0.0.3'), null)
  // Once, however often it is said.
  first()
  first()
  assert.ok(attendance.enter('10.0.0.1') !== null)
  assert.equal(attendance.enter('10.0.0.3'), null)
})

test('a network of IPv6 that one machine has counts as one address', () => {
  const attendance = new Attendance({ whole: 10, perAddress: 1 })
  assert.ok(attendance.enter('2001:db8::1') !== null)
  assert.equal(attendance.enter('2001:db8:0:0:ffff::2'), null)
  assert.equal(attendance.enter('2001:db8:0:0:1:2:3:4'), null)
  assert.ok(attendance.enter('2001:db8:0:1::1') !== null)
  assert.ok(attendance.enter('::1') !== null)
})

test('an address may ask so often, then as slowly as it is allowed to, and others go on', () => {
  const clock = new FakeClock()
  const rates = {
    burst: { whole: 5, perAddress: 3 },
    perSecond: { whole: 1, perAddress: 0.5 },
  }
  const rate = new AskingRate(rates, clock)
  const takes = (host: string, times: number): boolean[] =>
    Array.from({ length: times }, () => rate.take(host))
  assert.deepEqual(takes('10.0.0.1', 4), [true, true, true, false])
  assert.deepEqual(takes('10.0.0.2', 3), [true, true, false])
  clock.advance(2000)
  assert.deepEqual(takes('10.0.0.1', 2), [true, false])
  clock.advance(3_600_000)
  assert.deepEqual(takes('10.0.0.1', 4), [true, true, true, false])
})
