import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../../mesh/base/assert.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { systemRandom } from '../runtime/system-random.ts'
import { Census } from './census.ts'
import { NetLoop } from './net-loop.ts'
import { Plane } from './plane.ts'
import { TlsChannels } from './tunnel/tls-channels.ts'
import { NetDatagrams } from './udp/net-datagrams.ts'
import type { ToWorker, WorkerData } from './worker-message.ts'

/** A worker thread: one loop, one plane, and the main thread at the other end of the port. */
const port = parentPort
assert(port !== null, 'runs as a worker thread')

const { options, census } = workerData as WorkerData
const plane = new Plane(options, {
  loop: new NetLoop(systemClock),
  datagrams: new NetDatagrams(),
  channels: new TlsChannels(systemClock),
  clock: systemClock,
  random: systemRandom,
  census: new Census(census.memories, census.own, census.seed),
  tell: (message) => port.postMessage(message),
})
port.on('message', (message: ToWorker) => plane.receive(message))
