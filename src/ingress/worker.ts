import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../../mesh/base/assert.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { systemRandom } from '../runtime/system-random.ts'
import { Census } from './census.ts'
import { loopOf } from './engine.ts'
import { Plane } from './plane.ts'
import { TlsChannels } from './tunnel/tls-channels.ts'
import { NetDatagrams } from './udp/net-datagrams.ts'
import type { FromWorker, ToWorker, WorkerData } from './worker-message.ts'

/** A worker thread: one loop, one plane, and the main thread at the other end of the port. */
const port = parentPort
assert(port !== null, 'runs as a worker thread')

const { engine, options, census } = workerData as WorkerData
const loop = loopOf(engine, systemClock)
// Node closes what it opened itself; the ring's descriptors are the process's.
process.once('exit', () => loop.stop())
const plane = new Plane(options, {
  loop,
  datagrams: new NetDatagrams(),
  channels: new TlsChannels(systemClock),
  clock: systemClock,
  random: systemRandom,
  census: new Census(census.memories, census.own, census.seed),
  tell: (message) => port.postMessage(message),
})
port.on('message', (message: ToWorker) => plane.receive(message))
const loaded: FromWorker = { kind: 'loaded' }
port.postMessage(loaded)
