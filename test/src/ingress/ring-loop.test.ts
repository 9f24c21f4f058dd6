import { test } from 'node:test'
import { RingLoop } from '../../../src/ingress/ring-loop.ts'
import { ringRefusal } from '../../../src/kernel/ring.ts'
import { systemClock } from '../../../src/runtime/system-clock.ts'
import { loopContract } from '../../support/loop-contract.ts'

const refusal = ringRefusal()
if (refusal === null) loopContract('RingLoop', () => new RingLoop(systemClock))
else test('io_uring serves', { skip: refusal }, () => {})
