import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { DrainWatch } from '../../../src/ingress/drain-watch.ts'
import { frameType } from '../../../src/wire/tunnel-frame.ts'
import { TestCluster } from '../../mesh/identity/test-cluster.ts'
import { eventually } from '../../support/eventually.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { RawPeer } from './raw-peer.ts'
import { endpointOf, TestNode, taskAt } from './test-node.ts'
import { ask, TestTasks } from './test-tasks.ts'
import { openTwoNodes, reachEachOther } from './two-nodes.ts'

const cluster = new TestCluster()
const addresses = ['127.0.0.1', '127.0.0.2'] as const
const [entry, far] = addresses
let tasks: TestTasks
let first: TestNode
let second: TestNode
let port: number

beforeEach(async () => {
  tasks = new TestTasks()
  ;({ first, second, port } = await openTwoNodes(cluster, addresses))
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
  await reachEachOther({ first, second })
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
