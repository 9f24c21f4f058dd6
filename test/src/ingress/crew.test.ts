import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { nodeId } from '../../../mesh/base/ids.ts'
import { silentLog } from '../../../mesh/base/log.ts'
import { Crew, type WorkerEvents } from '../../../src/ingress/crew.ts'
import type { FromWorker, ToWorker } from '../../../src/ingress/worker-message.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { tableOf, taskAt } from './test-node.ts'

const self = nodeId('0'.repeat(25))
const peer = nodeId('1'.repeat(25))

class FakeWorker {
  readonly heard: ToWorker[] = []
  readonly events: WorkerEvents
  isTerminated = false

  constructor(events: WorkerEvents) {
    this.events = events
  }

  say(message: FromWorker): void {
    this.events.onMessage(message)
  }

  kinds(): string[] {
    return this.heard.map((message) => message.kind)
  }
}

let clock: FakeClock
let workers: FakeWorker[]
let told: unknown[][]
let crew: Crew

beforeEach(() => {
  clock = new FakeClock()
  workers = []
  told = []
  crew = new Crew({
    size: 2,
    clock,
    log: silentLog,
    spawn: (events) => {
      const worker = new FakeWorker(events)
      workers.push(worker)
      return {
        post: (message) => worker.heard.push(message),
        terminate: () => {
          worker.isTerminated = true
        },
      }
    },
    listener: {
      onApplied: (version) => told.push(['applied', version]),
      onListenFailed: (port, code) => told.push(['listen-failed', port, code]),
      onPeerStatus: (node, answers) => told.push(['peer', node, answers]),
      onOpenConnections: (task, open) => told.push(['open', task, open]),
      onAccess: async ({ lines }) => void told.push(['access', lines.length]),
      onWarning: (message) => told.push(['warning', message]),
      onFinished: () => told.push(['finished']),
    },
  })
})

function worker(at: number): FakeWorker {
  const found = workers[at]
  assert.ok(found !== undefined, `worker ${at}`)
  return found
}

const web = { protocol: 'tcp', host: '127.0.0.1', port: 80 } as const

test('a table counts as applied once every worker follows it', () => {
  const { version } = tableOf(self, { port: 80 })
  worker(0).say({ kind: 'applied', version })
  assert.deepEqual(told, [])
  worker(1).say({ kind: 'applied', version })
  assert.deepEqual(told, [['applied', version]])
})

test('a worker that dies is replaced, and its successor hears everything', () => {
  const table = tableOf(self, { port: 80, localTasks: [taskAt('a', '127.0.0.1:1')] })
  crew.setRoutes(table)
  crew.setPlaces([web], true)
  crew.drain('a')
  worker(0).events.onGone('a bug')
  assert.equal(workers.length, 2)
  clock.advance(50)
  assert.deepEqual(worker(2).kinds(), ['routes', 'drain', 'ports'])
  assert.deepEqual(worker(2).heard[2], { kind: 'ports', places: [web], dataPath: true })
})

test('a worker that dies at once every time is replaced ever more slowly', () => {
  for (let death = 0; death < 20; death++) {
    workers.at(-1)?.events.onGone('a bug')
    clock.advance(100)
  }
  assert.ok(workers.length < 12, `${workers.length} workers`)
  clock.advance(60_000)
  assert.equal(workers.at(-1)?.isTerminated, false)
})

test('connections of a task are summed, and only once everybody has answered', () => {
  crew.setRoutes(tableOf(self, { port: 80, localTasks: [taskAt('a', '127.0.0.1:1')] }))
  crew.drain('a')
  worker(0).say({ kind: 'open-connections', task: 'a', open: 0 })
  assert.deepEqual(told, [])
  worker(1).say({ kind: 'open-connections', task: 'a', open: 3 })
  worker(1).say({ kind: 'open-connections', task: 'a', open: 0 })
  assert.deepEqual(told, [
    ['open', 'a', 3],
    ['open', 'a', 0],
  ])
})

test("a dead worker's connections are gone, and no reason to wait", () => {
  crew.drain('a')
  worker(0).say({ kind: 'open-connections', task: 'a', open: 2 })
  worker(1).say({ kind: 'open-connections', task: 'a', open: 0 })
  worker(0).events.onGone('a bug')
  assert.deepEqual(told.at(-1), ['open', 'a', 0])
})

test('a peer answers when it answers any worker', () => {
  worker(0).say({ kind: 'peer-status', node: peer, answers: false })
  worker(1).say({ kind: 'peer-status', node: peer, answers: true })
  worker(0).say({ kind: 'peer-status', node: peer, answers: true })
  worker(1).say({ kind: 'peer-status', node: peer, answers: false })
  worker(0).events.onGone('a bug')
  assert.deepEqual(told, [
    ['peer', peer, false],
    ['peer', peer, true],
    ['peer', peer, false],
  ])
})

test('what a dead worker has carried still counts, but nothing of it is open', () => {
  const traffic = {
    id: 'web',
    opened: 5,
    open: 2,
    failed: 1,
    bytesIn: 10,
    bytesOut: 20,
    dropped: 1,
  }
  const none = { tasks: [], http: [], httpTasks: [], peers: [] }
  const report: FromWorker = { kind: 'counters', counts: { ports: [traffic], ...none } }
  worker(0).say(report)
  worker(1).say(report)
  worker(0).events.onGone('a bug')
  const sum = { id: 'web', opened: 10, open: 2, failed: 2, bytesIn: 20, bytesOut: 40, dropped: 2 }
  assert.deepEqual(crew.counts(), { ports: [sum], ...none })
  assert.deepEqual(crew.counts(), { ports: [sum], ...none })
})

test('finished once every worker is, however it got there', () => {
  crew.finish()
  worker(0).say({ kind: 'finished' })
  assert.deepEqual(told, [])
  worker(1).events.onGone('a bug')
  assert.deepEqual(told, [['finished']])
  clock.advance(60_000)
  assert.equal(workers.length, 2)
})
