import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { nodeId } from '../../../../mesh/base/ids.ts'
import { SeededRandom } from '../../../../mesh/base/random.ts'
import { Census } from '../../../../src/ingress/census.ts'
import { Load } from '../../../../src/ingress/load.ts'
import { Routes } from '../../../../src/ingress/routes.ts'
import { TrafficBook } from '../../../../src/ingress/counts/traffic.ts'
import type { FlowDialHandler, FlowEnd, FlowHandler } from '../../../../src/ingress/udp/flow-end.ts'
import { UdpEntrance } from '../../../../src/ingress/udp/udp-entrance.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { endpointOf, tableOf } from '../test-node.ts'

const self = nodeId('0'.repeat(25))
const port = 53
const place = { protocol: 'udp', host: '127.0.0.1', port } as const

/** A task that takes what comes, for as long as it has room. */
class FakeEnd implements FlowEnd {
  readonly task: string
  readonly got: string[] = []
  handler: FlowHandler | null = null
  hasRoom = true
  isClosed = false

  constructor(task: string) {
    this.task = task
  }

  setHandler(handler: FlowHandler): void {
    this.handler = handler
  }

  send(bytes: Uint8Array): boolean {
    if (this.hasRoom) this.got.push(Buffer.from(bytes).toString())
    return this.hasRoom
  }

  close(): void {
    this.isClosed = true
  }
}

let clock: FakeClock
let routes: Routes
let ports: TrafficBook
let ends: FakeEnd[]
/** Dials that were not answered yet, when the test wants to answer them by itself. */
let dials: FlowDialHandler[]
let isAnswering: boolean
let entrance: UdpEntrance
let answers: string[]

beforeEach(() => {
  clock = new FakeClock()
  routes = new Routes()
  ports = new TrafficBook()
  ends = []
  dials = []
  answers = []
  isAnswering = true
  serve('a')
  entrance = new UdpEntrance(port, {
    routes,
    clock,
    ports,
    load: new Load(),
    random: new SeededRandom(1),
    census: new Census([Census.memory()], 0, 1),
    dialer: {
      isReachable: () => true,
      dialFlow: ({ task }, _request, handler) => {
        const end = new FakeEnd(task)
        ends.push(end)
        if (isAnswering) handler.onOpen(end)
        else dials.push(handler)
        return () => {}
      },
    },
  })
})

afterEach(() => entrance.stop())

function serve(...tasks: string[]): void {
  const endpoints = tasks.map((task) => endpointOf(task, self))
  routes.replace(tableOf(self, { port, protocol: 'udp', endpoints }))
}

const socket = {
  send: (bytes: Uint8Array) => answers.push(Buffer.from(bytes).toString()) > 0,
  close: () => {},
}

function say(text: string, source = '192.0.2.1', sourcePort = 1): void {
  const from = { host: source, port: sourcePort }
  entrance.receive(Buffer.from(text), from, { place, socket })
}

const traffic = () => ports.of(`service-web/udp/${port}`)

test('a flood of invented senders makes room at the cost of those who were quiet longest', () => {
  say('first', '192.0.2.1')
  say('first', '192.0.2.2')
  for (let at = 0; at < 4094; at++) say('flood', `10.0.${at >> 8}.${at & 255}`)
  say('again', '192.0.2.1')
  assert.equal(traffic().open, 4096)
  for (let at = 0; at < 1000; at++) say('flood', `10.1.${at >> 8}.${at & 255}`)
  assert.equal(traffic().open, 4096)
  assert.deepEqual([ends[0]?.isClosed, ends[1]?.isClosed], [false, true])
  say('still here', '192.0.2.1')
  assert.deepEqual(ends[0]?.got, ['first', 'again', 'still here'])
})

test('what comes before a task has accepted waits, within bounds, and the rest is counted', () => {
  isAnswering = false
  for (let at = 0; at < 50; at++) say(`${at}`)
  assert.equal(dials.length, 1)
  const end = ends[0]
  assert.ok(end !== undefined)
  dials[0]?.onOpen(end)
  assert.deepEqual(
    end.got,
    Array.from({ length: 32 }, (_, at) => String(at)),
  )
  assert.equal(traffic().dropped, 18)
})

test('a dial that was refused is tried elsewhere, with what has come so far', () => {
  serve('a', 'b')
  isAnswering = false
  say('hello')
  const first = ends[0]?.task
  isAnswering = true
  dials[0]?.onFailed({ kind: 'gone' })
  assert.equal(ends.length, 2)
  assert.notEqual(ends[1]?.task, first)
  assert.deepEqual(ends[1]?.got, ['hello'])
})

test('a flow leaves a task that left the routes, and answers come from the new one', () => {
  say('one')
  serve('b')
  entrance.routesChanged()
  assert.equal(ends[0]?.isClosed, true)
  say('two')
  assert.deepEqual([ends[1]?.task, ends[1]?.got], ['b', ['two']])
  ends[1]?.handler?.onDatagram(Buffer.from('answer'))
  assert.deepEqual(answers, ['answer'])
})

test('a task without room loses datagrams, which are counted, and not the flow', () => {
  say('one')
  const end = ends[0]
  assert.ok(end !== undefined)
  end.hasRoom = false
  say('two')
  end.hasRoom = true
  say('three')
  assert.deepEqual(end.got, ['one', 'three'])
  assert.equal(traffic().dropped, 1)
})

test('without any task a datagram waits for a second, and is counted as lost then', () => {
  serve()
  say('early')
  clock.advance(500)
  assert.equal(traffic().dropped, 0)
  clock.advance(600)
  assert.deepEqual([traffic().dropped, traffic().failed], [1, 1])
  serve('a')
  say('later')
  assert.deepEqual(
    ends.map((end) => end.got),
    [['later']],
  )
})

test('a quiet flow ends after a minute, one with answers does not', () => {
  say('one', '192.0.2.1')
  say('one', '192.0.2.2')
  for (let passed = 0; passed < 80; passed += 10) {
    ends[1]?.handler?.onDatagram(Buffer.from('tick'))
    clock.advance(10_000)
  }
  assert.deepEqual([ends[0]?.isClosed, ends[1]?.isClosed], [true, false])
  assert.equal(traffic().open, 1)
})
