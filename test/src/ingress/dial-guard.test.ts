import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { DialGuard } from '../../../src/ingress/dial-guard.ts'
import type { DialFailure, End } from '../../../src/ingress/end.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const end: End = {
  setHandler: () => {},
  send: () => true,
  pause: () => {},
  resume: () => {},
  shutdown: () => {},
  reset: () => {},
}

let clock: FakeClock
let heard: ('open' | DialFailure)[]
let cancels: number
let guard: DialGuard
let cancel: () => void

beforeEach(() => {
  clock = new FakeClock()
  heard = []
  cancels = 0
  const handler = {
    onOpen: () => heard.push('open'),
    onFailed: (failure: DialFailure) => heard.push(failure),
  }
  guard = new DialGuard(handler, clock, 3000)
  cancel = guard.guard(() => (cancels += 1))
})

test('a dial that nobody answers fails in time, and is given up', () => {
  clock.advance(2999)
  assert.deepEqual(heard, [])
  clock.advance(1)
  assert.deepEqual([heard, cancels], [[{ kind: 'failed', cause: 'timed-out' }], 1])
  guard.onOpen(end)
  cancel()
  assert.deepEqual([heard.length, cancels], [1, 1])
})

test('an answer in time passes, and nothing comes after it', () => {
  guard.onOpen(end)
  clock.advance(10_000)
  guard.onFailed({ kind: 'gone' })
  cancel()
  assert.deepEqual([heard, cancels], [['open'], 0])
})

test('who gives up hears nothing any more', () => {
  cancel()
  clock.advance(10_000)
  guard.onFailed({ kind: 'gone' })
  assert.deepEqual([heard, cancels], [[], 1])
})
