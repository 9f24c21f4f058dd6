import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../../mesh/base/assert.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { systemRandom } from '../runtime/system-random.ts'
import { NetLoop } from './net-loop.ts'
import { Plane } from './plane.ts'
import { TlsChannels } from './tls-channels.ts'
import type { PlaneOptions, ToWorker } from './worker-message.ts'

/** A worker thread: one loop, one plane, and the main thread at the other end of the port. */
const port = parentPort
assert(port !== null, 'runs as a worker thread')

const plane = new Plane(workerData as PlaneOptions, {
  loop: new NetLoop(systemClock),
  channels: new TlsChannels(systemClock),
  clock: systemClock,
  random: systemRandom,
  tell: (message) => port.postMessage(message),
})
port.on('message', (message: ToWorker) => plane.receive(message))
