import { NetLoop } from '../../../src/ingress/net-loop.ts'
import { systemClock } from '../../../src/runtime/system-clock.ts'
import { loopContract } from '../../support/loop-contract.ts'

loopContract('NetLoop', () => new NetLoop(systemClock))
