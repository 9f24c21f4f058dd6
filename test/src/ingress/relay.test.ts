import assert from 'node:assert/strict'
import { once } from 'node:events'
import { afterEach, beforeEach, test } from 'node:test'
import { decodeProxyHeader } from '../../../src/wire/proxy-protocol.ts'
import { TestCluster } from '../../mesh/identity/test-cluster.ts'
import { eventually } from '../../support/eventually.ts'
import { endpointOf, TestNode, taskAt } from './test-node.ts'
import { dialled, ask, failure, freePort, readAll, TestTasks } from './test-tasks.ts'

const cluster = new TestCluster()
const host = '127.0.0.1'
let tasks: TestTasks
let node: TestNode
let port: number

beforeEach(async () => {
  tasks = new TestTasks()
  node = new TestNode(await cluster.member(), { address: host, port: await freePort() })
  port = await freePort()
})

afterEach(() => {
  tasks.close()
  node.plane.stop()
})

/** Routes to these local tasks, all ready; an address of null is a task that refuses. */
async function routeTo(addresses: Readonly<Record<string, string>>): Promise<void> {
  const names = Object.keys(addresses)
  node.route({
    port,
    endpoints: names.map((task) => endpointOf(task, node.id)),
    localTasks: names.map((task) => taskAt(task, addresses[task] ?? '')),
  })
  await listening()
}

async function listening(): Promise<void> {
  await eventually(async () => {
    const socket = tasks.client(host, port)
    await once(socket, 'connect')
    socket.destroy()
  })
}

test('a client reaches a task, both ways, with half-closes passed on', async () => {
  await routeTo({ a: await tasks.echo() })
  assert.equal(await ask(tasks.client(host, port), 'hello'), 'hello')
})

test('clients are spread over the tasks', async () => {
  await routeTo({ a: await tasks.named('a'), b: await tasks.named('b') })
  const seen = new Set<string>()
  for (let at = 0; at < 40; at++) seen.add(await ask(tasks.client(host, port), ''))
  assert.deepEqual([...seen].sort(), ['a', 'b'])
})

test('the task with fewer open connections gets the next one', async () => {
  const held = { a: 0, b: 0 }
  const hold = (name: 'a' | 'b') =>
    tasks.serve((socket) => {
      held[name] += 1
      socket.write('x')
    })
  await routeTo({ a: await hold('a'), b: await hold('b') })
  await eventually(() => assert.equal(held.a + held.b, 1))
  for (let at = 0; at < 20; at++) await once(tasks.client(host, port), 'data')
  assert.ok(Math.abs(held.a - held.b) <= 2, JSON.stringify(held))
})

test('a task that refuses costs the client nothing while another one accepts', async () => {
  const dead = `${host}:${await freePort()}`
  await routeTo({ a: dead, b: dead, c: await tasks.named('c') })
  for (let at = 0; at < 10; at++) assert.equal(await ask(tasks.client(host, port), 'x'), 'c')
})

test('after three dials that failed the client is reset', async () => {
  const dead = `${host}:${await freePort()}`
  let isReached = false
  await routeTo({ a: dead, b: dead, c: dead, d: dead })
  const served = await tasks.serve(() => {
    isReached = true
  })
  assert.ok(served)
  assert.equal(await failure(tasks.client(host, port)), 'ECONNRESET')
  assert.equal(isReached, false)
})

test('a client waits for the first task to appear', async () => {
  node.route({ port })
  await listening()
  const answer = ask(tasks.client(host, port), 'patience')
  const address = await tasks.echo()
  await new Promise((resolve) => setTimeout(resolve, 100))
  await routeTo({ a: address })
  assert.equal(await answer, 'patience')
})

test('a client without a task is reset after a second', async () => {
  node.route({ port })
  await listening()
  const startMs = performance.now()
  assert.equal(await failure(tasks.client(host, port)), 'ECONNRESET')
  assert.ok(performance.now() - startMs > 900)
})

test("the task's reset reaches the client, and the client's the task", async () => {
  const resetting = await tasks.serve((socket) => {
    socket.once('data', () => socket.resetAndDestroy())
  })
  await routeTo({ a: resetting })
  const first = tasks.client(host, port)
  first.write('x')
  assert.equal(await failure(first), 'ECONNRESET')

  const atTask = Promise.withResolvers<string | undefined>()
  const address = await tasks.serve((socket) => {
    socket.write('x')
    void failure(socket).then(atTask.resolve)
  })
  await routeTo({ b: address })
  const client = tasks.client(host, port)
  await once(client, 'data')
  client.resetAndDestroy()
  assert.equal(await atTask.promise, 'ECONNRESET')
})

test('a task that does not read holds up its client', async () => {
  const stopped = await tasks.serve((socket) => socket.pause())
  await routeTo({ a: stopped })
  const client = tasks.client(host, port)
  const piece = Buffer.alloc(256 * 1024)
  let sent = 0
  for (let at = 0; at < 400 && client.writableLength === 0; at++) {
    client.write(piece)
    sent += piece.length
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  assert.ok(client.writableLength > 0, `${sent} bytes were swallowed`)
})

for (const version of ['v1', 'v2'] as const) {
  test(`PROXY ${version} tells the task who the client is, ahead of its bytes`, async () => {
    const address = await tasks.echo()
    node.route({
      port,
      options: { proxyProtocol: version },
      endpoints: [endpointOf('a', node.id)],
      localTasks: [taskAt('a', address)],
    })
    await listening()
    const client = tasks.client(host, port)
    await once(client, 'connect')
    const source = { host, port: client.localPort }
    const answer = readAll(client)
    client.end('payload')
    const bytes = await answer
    const decoded = decodeProxyHeader(bytes)
    assert.ok(decoded.kind === 'header')
    assert.deepEqual(decoded.header, { source, destination: { host, port } })
    assert.equal(bytes.subarray(decoded.length).toString(), 'payload')
  })
}

test('open connections outlive their route; a closed port refuses at once', async () => {
  await routeTo({ a: await tasks.echo() })
  const client = tasks.client(host, port)
  client.write('one')
  await once(client, 'data')
  node.listen([])
  await eventually(async () => {
    assert.equal(await dialled(tasks.client(host, port)), 'ECONNREFUSED')
  })
  assert.equal(await ask(client, 'two'), 'two')
})

test('a draining task gets nobody new, and says when the last one has left', async () => {
  await routeTo({ a: await tasks.echo() })
  const client = tasks.client(host, port)
  client.write('x')
  await once(client, 'data')
  node.plane.receive({ kind: 'drain', task: 'a' })
  await eventually(() => assert.equal(node.openConnections('a'), 1))
  assert.equal(await failure(tasks.client(host, port)), 'ECONNRESET')
  assert.equal(await ask(client, 'bye'), 'bye')
  await eventually(() => assert.equal(node.openConnections('a'), 0))
})

test('traffic is counted per port of a service and per task', async () => {
  await routeTo({ a: await tasks.echo() })
  await ask(tasks.client(host, port), 'hello')
  await eventually(() => {
    const last = node.said.findLast((message) => message.kind === 'counters')
    const service = last?.counts.ports[0]
    const task = last?.counts.tasks[0]
    assert.deepEqual(
      [service?.id, service?.bytesIn, service?.bytesOut, service?.open],
      [`service-web/tcp/${port}`, 5, 5, 0],
    )
    assert.deepEqual([task?.id, task?.bytesIn, task?.bytesOut, task?.open], ['a', 5, 5, 0])
  })
})
