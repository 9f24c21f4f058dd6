import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog, type Log } from '../../../mesh/base/log.ts'
import { RefusalLog } from '../../../mesh/transport/refusal-log.ts'
import { FakeClock } from '../../support/fake-clock.ts'

test('each reason of each address is told once a minute', async () => {
  const clock = new FakeClock()
  const told: string[] = []
  const log: Log = {
    ...silentLog,
    warn: (facts, message) =>
      told.push([message, facts['remoteAddress'], facts['reason']].join(' ')),
  }
  const refusals = new RefusalLog('refused', { clock, log })
  const one = { remoteAddress: '192.0.2.1', reason: 'no certificate' }
  const other = { ...one, remoteAddress: '192.0.2.2' }
  for (const refused of [one, other, one, other, one]) refusals.tell(refused)
  refusals.tell({ ...one, reason: 'not a member' })
  assert.deepEqual(told, [
    'refused 192.0.2.1 no certificate',
    'refused 192.0.2.2 no certificate',
    'refused 192.0.2.1 not a member',
  ])
  clock.advance(60_000)
  refusals.tell(one)
  assert.equal(told.length, 4)
})
