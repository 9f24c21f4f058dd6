import { randomInt } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import * as z from 'zod'
import { assert } from '../../mesh/base/assert.ts'
import { createLog } from '../runtime/logger.ts'
import { StreamedLog } from '../runtime/streamed-log.ts'
import { firstSignal } from '../runtime/signals.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { ingressVersion } from '../wire/ingress-version.ts'
import { Census } from './census.ts'
import { ControlServer } from './control-server.ts'
import type { WorkerEvents, WorkerHandle } from './crew.ts'
import { Ingress } from './ingress.ts'
import { localAddresses } from './local-addresses.ts'
import { NetLoop } from './net-loop.ts'
import { placeTrier } from './try-place.ts'
import { NetDatagrams } from './udp/net-datagrams.ts'
import type { FromWorker, PlaneOptions, WorkerData } from './worker-message.ts'

/** The ingress process, started by meshd. Everything secret comes over the control socket. */
const { values } = parseArgs({
  options: {
    'data-dir': { type: 'string' },
    'listen-addr': { type: 'string' },
    'data-path-port': { type: 'string' },
    workers: { type: 'string' },
    'log-format': { type: 'string' },
    'log-level': { type: 'string' },
    'log-name': { type: 'string' },
  },
})

const port = z.coerce.number().int().min(1).max(65_535)
const settings = z
  .strictObject({
    'data-dir': z.string(),
    'listen-addr': z.union([z.ipv4(), z.ipv6()]),
    'data-path-port': port,
    workers: z.coerce.number().int().min(1).max(256).default(availableParallelism()),
    'log-format': z.enum(['json', 'pretty']).default('json'),
    'log-level': z.enum(['debug', 'info', 'warn', 'error']).default('info'),
    'log-name': z.string().default(''),
  })
  .parse(values)

const logOptions = {
  format: settings['log-format'],
  level: settings['log-level'],
  name: settings['log-name'],
}
const log = createLog(logOptions).child('ingress')
const accessLog = new StreamedLog({ ...logOptions, area: 'access', message: 'request' })
// The terminal or pipe may go away with the daemon: a log that nobody reads is no reason to end.
process.stderr.on('error', () => {})

// Threads share a port where the kernel spreads connections over its listeners.
const canShare = process.platform === 'linux' || process.platform === 'freebsd'
const workers = canShare ? settings.workers : 1
const pidPath = join(settings['data-dir'], 'ingress.pid')
const planeOptions: PlaneOptions = {
  listenAddress: settings['listen-addr'],
  dataPathPort: settings['data-path-port'],
  isShared: workers > 1,
}

const seed = randomInt(2 ** 32 - 1)
const memories = Array.from({ length: workers }, () => Census.memory())
/** Of those, which no worker counts in. */
const unused = [...memories.keys()]

const ingress = new Ingress(
  { ...planeOptions, workers, version: ingressVersion },
  {
    tryPlace: placeTrier({ loop: new NetLoop(systemClock), datagrams: new NetDatagrams() }),
    localAddresses,
    clock: systemClock,
    log,
    accessLog: (lines) => accessLog.write(lines),
    pid: process.pid,
    spawn: spawnWorker,
    onFinished: () => {
      removePid()
      void accessLog.settled(systemClock).then(() => process.exit(0))
    },
  },
)
const control = new ControlServer(log, {
  onMessage: (message) => ingress.receive(message),
  onAlone: () => ingress.alone(),
})
ingress.attach(control)
await control.listen(join(settings['data-dir'], 'ingress.sock'))
writeFileSync(pidPath, `${process.pid}\n`, { mode: 0o600 })
log.info({ workers, address: settings['listen-addr'] }, 'ingress is up')

ingress.finish(await firstSignal(['SIGTERM', 'SIGINT']))

function spawnWorker(events: WorkerEvents): WorkerHandle {
  const own = unused.pop()
  assert(own !== undefined, 'there are as many memories as workers')
  const workerData: WorkerData = { options: planeOptions, census: { memories, own, seed } }
  const worker = new Worker(new URL('worker.ts', import.meta.url), { workerData })
  let because = 'it ended'
  worker.on('message', (message: FromWorker) => events.onMessage(message))
  worker.on('error', (error) => {
    because = error instanceof Error ? (error.stack ?? error.message) : String(error)
  })
  worker.on('exit', () => {
    // Whom it had counted went with it.
    new Int32Array(memories[own] ?? Census.memory()).fill(0)
    unused.push(own)
    events.onGone(because)
  })
  return {
    post: (message) => worker.postMessage(message, []),
    terminate: () => void worker.terminate(),
  }
}

/** A successor may have written its own by now. */
function removePid(): void {
  try {
    if (readFileSync(pidPath, 'utf8').trim() === String(process.pid)) rmSync(pidPath)
  } catch (error) {
    log.debug({ error: String(error) }, 'no pid file to remove')
  }
}
