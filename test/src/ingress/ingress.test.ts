import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { nodeId } from '../../../mesh/base/ids.ts'
import { silentLog, type LogFacts } from '../../../mesh/base/log.ts'
import type { ControlServer } from '../../../src/ingress/control-server.ts'
import type { WorkerEvents } from '../../../src/ingress/crew.ts'
import { aloneLimitMs, Ingress } from '../../../src/ingress/ingress.ts'
import { portName } from '../../../src/ingress/place.ts'
import type { TryPlace } from '../../../src/ingress/port-keeper.ts'
import type { ToWorker } from '../../../src/ingress/worker-message.ts'
import { defaultIngressOptions } from '../../../src/model/ingress-options.ts'
import type { Listener } from '../../../src/routing/route-table.ts'
import type { FromIngress } from '../../../src/wire/ingress-message.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { tableOf } from './test-node.ts'

const self = nodeId('0'.repeat(25))
const dataPathPort = 4789

/** By port. */
let taken: Set<number>

const tryPlace: TryPlace = (place, { onFree, onTaken }) =>
  clock.after(0, () => {
    if (taken.has(place.port)) onTaken(taken.has(-1) ? 'EADDRNOTAVAIL' : 'EADDRINUSE')
    else onFree()
  })

let clock: FakeClock
let local: string[]
let heard: ToWorker[]
let workers: WorkerEvents[]
let told: FromIngress[]
let hasFinished: boolean
let written: LogFacts[]
let ingress: Ingress

beforeEach(() => {
  clock = new FakeClock()
  taken = new Set()
  local = ['127.0.0.1', '10.0.0.7', '::1', 'fd00::7']
  heard = []
  workers = []
  told = []
  hasFinished = false
  written = []
  start('127.0.0.1')
})

function start(listenAddress: string): void {
  ingress = new Ingress(
    { listenAddress, dataPathPort, workers: 1, version: '1' },
    {
      tryPlace,
      localAddresses: () => local,
      clock,
      log: silentLog,
      accessLog: async (lines) => void written.push(...lines),
      pid: 1,
      spawn: (events) => {
        workers.push(events)
        return { post: (message) => heard.push(message), terminate: () => {} }
      },
      onFinished: () => {
        hasFinished = true
      },
    },
  )
  const control = {
    send: (message: FromIngress) => told.push(message),
    stopListening: () => {},
  }
  ingress.attach(control as unknown as ControlServer)
}

afterEach(() => ingress.receive({ kind: 'shutdown', graceful: false }))

/** Where the workers were last told to listen, once the probes that are under way have answered. */
function places(): { listening: string[]; dataPath: boolean } {
  clock.advance(0)
  const last = heard.findLast((message) => message.kind === 'ports')
  const listening = (last?.places ?? []).map(({ host, ...place }) => `${host} ${portName(place)}`)
  return { listening, dataPath: last?.dataPath === true }
}

/** One service on these ports. */
function publish(...listeners: Partial<Listener>[]): void {
  const table = tableOf(self, { port: 80 })
  const [web] = table.listeners
  assert.ok(web !== undefined)
  const published = listeners.map((listener) => ({ ...web, ...listener }))
  ingress.receive({ kind: 'routes', table: { ...table, listeners: published } })
}

test('workers listen on what is free, and on the rest as soon as it is', () => {
  taken.add(81)
  publish({}, { port: 81 })
  assert.deepEqual(places(), { listening: ['127.0.0.1 80'], dataPath: true })
  clock.advance(5000)
  assert.deepEqual(places().listening, ['127.0.0.1 80'])
  taken.clear()
  clock.advance(1000)
  assert.deepEqual(places().listening, ['127.0.0.1 80', '127.0.0.1 81'])
  publish()
  assert.deepEqual(places(), { listening: [], dataPath: true })
})

test('a port that a worker loses to somebody quicker is closed by all, and tried again', () => {
  publish({})
  assert.deepEqual(places().listening, ['127.0.0.1 80'])
  taken.add(80)
  const place = { protocol: 'tcp', host: '127.0.0.1', port: 80 } as const
  workers[0]?.onMessage({ kind: 'listen-failed', place, code: 'EADDRINUSE' })
  assert.deepEqual(places().listening, [])
  taken.clear()
  clock.advance(1000)
  assert.deepEqual(places().listening, ['127.0.0.1 80'])
})

test('chosen addresses are listened on, each once the machine has it', () => {
  taken.add(80).add(-1)
  publish({ options: { ...defaultIngressOptions, listen: ['10.0.0.7', 'fd00::7'] } }, { port: 81 })
  assert.deepEqual(places().listening, ['127.0.0.1 81'])
  assert.deepEqual(
    told.filter(({ kind }) => kind === 'port-conflicts'),
    [],
  )
  taken.clear()
  clock.advance(1000)
  assert.deepEqual(places().listening.toSorted(), ['10.0.0.7 80', '127.0.0.1 81', 'fd00::7 80'])
})

test('TCP and UDP of one number are two ports', () => {
  publish({}, { protocol: 'udp' })
  assert.deepEqual(places().listening, ['127.0.0.1 80', '127.0.0.1 80/udp'])
})

test('a node that listens everywhere does so for IPv6 too, and for UDP on each address', () => {
  ingress.receive({ kind: 'shutdown', graceful: false })
  start('0.0.0.0')
  publish({}, { port: 53, protocol: 'udp' })
  const everywhere = ['127.0.0.1', '10.0.0.7', '::1', 'fd00::7'].map((host) => `${host} 53/udp`)
  assert.deepEqual(places().listening, [':: 80', ...everywhere])
  local = ['127.0.0.1', '10.0.0.8']
  clock.advance(5000)
  assert.deepEqual(places().listening.toSorted(), [
    '0.0.0.0 80',
    '10.0.0.8 53/udp',
    '127.0.0.1 53/udp',
  ])
})

test('alone for ten minutes it ends; with a daemon it does not', () => {
  ingress.receive({ kind: 'hello', version: '1' })
  clock.advance(2 * aloneLimitMs)
  ingress.alone()
  clock.advance(aloneLimitMs - 1000)
  ingress.receive({ kind: 'hello', version: '1' })
  clock.advance(aloneLimitMs)
  assert.equal(heard.at(-1)?.kind, 'ports')
  ingress.alone()
  clock.advance(aloneLimitMs)
  assert.equal(heard.at(-1)?.kind, 'finish')
})

test('it ends with its last connection, or after ten seconds', () => {
  ingress.finish('a test said so')
  assert.equal(hasFinished, false)
  workers[0]?.onMessage({ kind: 'finished' })
  assert.equal(hasFinished, true)
})

test('connections that do not end are not waited for beyond ten seconds', () => {
  ingress.finish('a test said so')
  clock.advance(9999)
  assert.equal(hasFinished, false)
  clock.advance(1)
  assert.equal(hasFinished, true)
})

const acknowledged = (): boolean => heard.some(({ kind }) => kind === 'access-taken')

test('lines of the access log are written, and only then the thread may send more', async () => {
  const line = {
    ...{ startedAtMs: 0, requestId: 'r1', service: 'web', port: 80, client: '192.0.2.1' },
    ...{ method: 'GET', path: '/', status: 200, bytesIn: 0, bytesOut: 5, answeredAfterMs: 1 },
    ...{ durationMs: 2, task: 'a', taskNode: 'n1', isWhole: true },
  }
  workers[0]?.onMessage({ kind: 'access', batch: { lines: [line], dropped: 0 } })
  const { startedAtMs: _, ...facts } = line
  assert.deepEqual(written, [{ startedAt: '1970-01-01T00:00:00.000Z', ...facts }])
  assert.equal(acknowledged(), false)
  await new Promise((resolve) => void setImmediate(resolve))
  assert.equal(acknowledged(), true)
})

const toldPlaces = (): unknown[] =>
  told.flatMap((message) =>
    message.kind === 'places' ? [message.places.map(({ port, state }) => `${port} ${state}`)] : [],
  )

test('where it listens is told when that changes, once a second at most', () => {
  taken.add(81)
  publish({}, { port: 81 })
  clock.advance(0)
  clock.advance(1000)
  assert.deepEqual(toldPlaces(), [[`${dataPathPort} bound`, '80 bound', '81 taken']])
  taken.clear()
  clock.advance(5000)
  assert.deepEqual(toldPlaces().at(-1), [`${dataPathPort} bound`, '80 bound', '81 bound'])
  assert.ok(toldPlaces().length <= 3)
})
