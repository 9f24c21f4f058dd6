import assert from 'node:assert/strict'
import { once } from 'node:events'
import { afterEach, beforeEach, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { clientTlsOptions } from '../../../mesh/identity/tls-options.ts'
import { DrainWatch } from '../../../src/ingress/drain-watch.ts'
import {
  encodeTask,
  encodeTunnelFrame,
  FrameDecoder,
  frameType,
  type FrameType,
} from '../../../src/wire/tunnel-frame.ts'
import { TestCluster } from '../../mesh/identity/test-cluster.ts'
import { eventually } from '../../support/eventually.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { endpointOf, TestNode, taskAt } from './test-node.ts'
import { ask, freePort, TestTasks } from './test-tasks.ts'

const cluster = new TestCluster()
const [entry, far] = ['127.0.0.1', '127.0.0.2'] as const
let tasks: TestTasks
let first: TestNode
let second: TestNode
let port: number

beforeEach(async () => {
  tasks = new TestTasks()
  port = await freePort()
  const dataPathPort = await freePort()
  first = new TestNode(await cluster.member(), { address: entry, port: dataPathPort })
  second = new TestNode(await cluster.member(), { address: far, port: dataPathPort })
})

afterEach(() => {
  tasks.close()
  first.plane.stop()
  second.plane.stop()
})

/** Task `a` runs on the first node, `b` on the second. */
async function routeToBoth(): Promise<void> {
  const [a, b] = await Promise.all([tasks.named('a'), tasks.named('b')])
  const endpoints = [endpointOf('a', first.id), endpointOf('b', second.id)]
  first.route({ port, endpoints, peers: [second.peer], localTasks: [taskAt('a', a)] })
  second.route({ port, endpoints, peers: [first.peer], localTasks: [taskAt('b', b)] })
  await eventually(() => {
    assert.equal(first.answers(second.id), true)
    assert.equal(second.answers(first.id), true)
  })
}

test('every node stops using a task as soon as its node drains it, whatever its table says', async () => {
  await routeToBoth()
  const seen = new Set<string>()
  for (let at = 0; at < 30; at++) seen.add(await ask(tasks.client(entry, port), ''))
  assert.deepEqual([...seen].sort(), ['a', 'b'])
  second.plane.receive({ kind: 'drain', task: 'b' })
  await eventually(() => assert.equal(second.openConnections('b'), 0))
  for (let at = 0; at < 10; at++) {
    assert.equal(await ask(tasks.client(entry, port), ''), 'a')
    assert.equal(await ask(tasks.client(far, port), ''), 'a')
  }
})

test("a node takes no other node's tasks out of the routes", async () => {
  await routeToBoth()
  first.plane.receive({ kind: 'drain', task: 'b' })
  await eventually(() => assert.equal(first.openConnections('b'), 0))
  const seen = new Set<string>()
  for (let at = 0; at < 30; at++) seen.add(await ask(tasks.client(far, port), ''))
  assert.deepEqual([...seen].sort(), ['a', 'b'])
})

test('nothing is said of a draining task before every peer has dropped it', async () => {
  second.route({ port, peers: [first.peer], localTasks: [taskAt('b', await tasks.echo())] })
  const peer = await RawPeer.dial(first, second)
  second.plane.receive({ kind: 'drain', task: 'b' })
  await eventually(() => assert.deepEqual(peer.heard, [frameType.drain]))
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.equal(second.openConnections('b'), undefined)
  peer.say(frameType.dropped, 'b')
  await eventually(() => assert.equal(second.openConnections('b'), 0))
})

test('a peer that is gone is not waited for', async () => {
  second.route({ port, peers: [first.peer], localTasks: [taskAt('b', await tasks.echo())] })
  const peer = await RawPeer.dial(first, second)
  second.plane.receive({ kind: 'drain', task: 'b' })
  await eventually(() => assert.deepEqual(peer.heard, [frameType.drain]))
  assert.equal(second.openConnections('b'), undefined)
  peer.hangUp()
  await eventually(() => assert.equal(second.openConnections('b'), 0))
})

test('a peer that says nothing is waited for two seconds', async () => {
  const clock = new FakeClock()
  const told: [string, number][] = []
  const watch = new DrainWatch({
    clock,
    isDropped: () => false,
    openOf: () => 3,
    tell: (task, open) => told.push([task, open]),
  })
  watch.watch('b')
  clock.advance(1900)
  assert.deepEqual(told, [])
  clock.advance(200)
  assert.deepEqual(told, [['b', 3]])
  watch.stop()
})

test('however many tasks are gone, the client gets the one that is not', async () => {
  await routeToBoth()
  const gone = Array.from({ length: 12 }, (_, at) => endpointOf(`gone${at}`, second.id))
  const a = await tasks.named('a')
  const localTasks = [taskAt('a', a)]
  const endpoints = [...gone, endpointOf('a', first.id)]
  first.route({ port, endpoints, peers: [second.peer], localTasks })
  for (let at = 0; at < 10; at++) assert.equal(await ask(tasks.client(entry, port), ''), 'a')
})

test('a client that finds only draining tasks waits for the next one', async () => {
  await routeToBoth()
  first.plane.receive({ kind: 'drain', task: 'a' })
  second.plane.receive({ kind: 'drain', task: 'b' })
  await eventually(() => assert.equal(second.openConnections('b'), 0))
  const answer = ask(tasks.client(entry, port), '')
  await new Promise((resolve) => setTimeout(resolve, 50))
  const endpoints = [endpointOf('c', first.id)]
  const localTasks = [taskAt('c', await tasks.named('c'))]
  first.route({ port, endpoints, peers: [second.peer], localTasks })
  assert.equal(await answer, 'c')
})

/** A peer's tunnel, in the hands of the test. */
class RawPeer {
  readonly #socket: TLSSocket
  readonly #decoder = new FrameDecoder()
  /** Types of the frames that came, in order; answers to nothing. */
  readonly heard: FrameType[] = []

  private constructor(socket: TLSSocket) {
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('data', (bytes: Buffer) => {
      this.#decoder.push(bytes, (frame) => {
        if (frame.type !== frameType.pong) this.heard.push(frame.type)
      })
    })
  }

  /** As the one node, to the other. */
  static async dial(as: TestNode, to: TestNode): Promise<RawPeer> {
    const socket = await eventuallyConnected(as, to)
    const peer = new RawPeer(socket)
    // Its PONG shows that the tunnel is up on the other side too.
    socket.write(encodeTunnelFrame(0, frameType.ping, Uint8Array.of(0, 0, 0, 1)))
    await once(socket, 'data')
    return peer
  }

  say(type: FrameType, task: string): void {
    this.#socket.write(encodeTunnelFrame(0, type, encodeTask(task)))
  }

  hangUp(): void {
    this.#socket.destroy()
  }
}

async function eventuallyConnected(as: TestNode, to: TestNode): Promise<TLSSocket> {
  const options = clientTlsOptions(as.identity, { alpn: ['mesh-tunnel/1'] })
  let socket: TLSSocket | null = null
  await eventually(async () => {
    socket = connect({ ...options, host: to.address, port: to.dataPathPort })
    await once(socket, 'secureConnect')
  })
  assert.ok(socket !== null)
  return socket
}
