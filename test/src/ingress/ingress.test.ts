import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { nodeId } from '../../../mesh/base/ids.ts'
import { silentLog } from '../../../mesh/base/log.ts'
import type { WorkerEvents } from '../../../src/ingress/crew.ts'
import { aloneLimitMs, Ingress } from '../../../src/ingress/ingress.ts'
import type {
  Acceptor,
  ConnectionHandler,
  Listening,
  ListenSpec,
} from '../../../src/ingress/loop.ts'
import { NetLoop } from '../../../src/ingress/net-loop.ts'
import type { ToWorker } from '../../../src/ingress/worker-message.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { tableOf } from './test-node.ts'

const self = nodeId('0'.repeat(25))
const dataPathPort = 4789

/** A loop whose ports are taken or free as the test says. */
class PortLoop extends NetLoop {
  readonly taken = new Set<number>()

  override listen(spec: ListenSpec, acceptor: Acceptor): Listening {
    clock.after(0, () => {
      if (this.taken.has(spec.port)) acceptor.onListenFailed('EADDRINUSE')
      else acceptor.onListening(spec)
    })
    return 0 as Listening
  }

  override atTurnEnd(action: () => void): void {
    action()
  }

  override connect(_to: unknown, _handler: ConnectionHandler): never {
    throw new Error('the main thread dials nobody')
  }
}

let clock: FakeClock
let loop: PortLoop
let heard: ToWorker[]
let workers: WorkerEvents[]
let hasFinished: boolean
let ingress: Ingress

beforeEach(() => {
  clock = new FakeClock()
  loop = new PortLoop(clock)
  heard = []
  workers = []
  hasFinished = false
  ingress = new Ingress(
    { listenAddress: '127.0.0.1', dataPathPort, workers: 1, version: '1' },
    {
      loop,
      clock,
      log: silentLog,
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
})

afterEach(() => ingress.receive({ kind: 'shutdown', graceful: false }))

/** What the workers were last told, once the probes that are under way have answered. */
function ports() {
  clock.advance(0)
  return heard.findLast((message) => message.kind === 'ports')
}

test('workers listen on what is free, and on the rest as soon as it is', () => {
  loop.taken.add(81)
  const table = tableOf(self, { port: 80 })
  const [web] = table.listeners
  assert.ok(web !== undefined)
  ingress.receive({
    kind: 'routes',
    table: { ...table, listeners: [web, { ...web, port: 81 }] },
  })
  assert.deepEqual(ports(), { kind: 'ports', ports: [80], dataPath: true })
  clock.advance(5000)
  assert.deepEqual(ports()?.ports, [80])
  loop.taken.clear()
  clock.advance(1000)
  assert.deepEqual(ports()?.ports, [80, 81])
  ingress.receive({ kind: 'routes', table: { ...table, listeners: [] } })
  assert.deepEqual(ports(), { kind: 'ports', ports: [], dataPath: true })
})

test('a port that a worker loses to somebody quicker is closed by all, and tried again', () => {
  ingress.receive({ kind: 'routes', table: tableOf(self, { port: 80 }) })
  assert.deepEqual(ports()?.ports, [80])
  loop.taken.add(80)
  workers[0]?.onMessage({ kind: 'listen-failed', port: 80, code: 'EADDRINUSE' })
  assert.deepEqual(ports()?.ports, [])
  loop.taken.clear()
  clock.advance(1000)
  assert.deepEqual(ports()?.ports, [80])
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
