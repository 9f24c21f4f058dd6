import assert from 'node:assert/strict'
import { once } from 'node:events'
import { afterEach, beforeEach, test } from 'node:test'
import { TestCluster } from '../../mesh/identity/test-cluster.ts'
import { eventually } from '../../support/eventually.ts'
import { endpointOf, TestNode, taskAt, type TableFacts } from './test-node.ts'
import { closeUdp, TestTasks, UdpClient } from './test-tasks.ts'
import { openTwoNodes } from './two-nodes.ts'

const cluster = new TestCluster()
const addresses = ['127.0.50.11', '127.0.50.12'] as const
const [entry] = addresses
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

const client = async (host: string = entry): Promise<UdpClient> =>
  new UdpClient(await tasks.datagramSocket('127.0.0.1'), { host, port })

const onFirst = (addresses: Readonly<Record<string, string>>, more: Partial<TableFacts> = {}) =>
  first.route({
    port,
    protocol: 'udp',
    endpoints: Object.keys(addresses).map((task) => endpointOf(task, first.id)),
    localTasks: Object.entries(addresses).map(([task, address]) => taskAt(task, address)),
    ...more,
  })

/** The service's only task runs on the second node; clients come to the first. */
async function onSecond(address: string): Promise<void> {
  const endpoints = [endpointOf('b', second.id)]
  const shared = { port, protocol: 'udp', endpoints } as const
  first.route({ ...shared, peers: [second.peer] })
  second.route({ ...shared, peers: [first.peer], localTasks: [taskAt('b', address)] })
  await eventually(() => assert.equal(first.answers(second.id), true))
}

const counted = (node: TestNode, what: 'ports' | 'tasks') =>
  node.said.findLast((message) => message.kind === 'counters')?.counts[what][0]

test('datagrams reach a task of this node and answers come back', async () => {
  onFirst({ a: (await tasks.datagramEcho('a')).address })
  assert.equal(await (await client()).ask('hello'), 'a')
})

test('the answer leaves from the address that was asked', async () => {
  onFirst({ a: (await tasks.datagramEcho('a')).address })
  first.listen([
    { protocol: 'udp', host: entry, port },
    { protocol: 'udp', host: '127.0.50.13', port },
  ])
  const socket = await tasks.datagramSocket('127.0.0.1')
  const asked = new UdpClient(socket, { host: '127.0.50.13', port })
  const answered = once(socket, 'message') as Promise<[Buffer, { readonly address: string }]>
  assert.equal(await asked.ask('x'), 'a')
  assert.equal((await answered)[1].address, '127.0.50.13')
})

test('datagrams cross a tunnel whole, in both directions, from none to the largest', async () => {
  const seen: number[] = []
  const { socket, address } = await tasks.datagramEcho('b')
  socket.on('message', (bytes) => seen.push(bytes.length))
  await onSecond(address)
  const asking = await client()
  await asking.ask('warm')
  const sizes = [0, 1, 1472, 9000, 60_000]
  for (const size of sizes) {
    await eventually(async () => {
      const before = asking.heard.length
      asking.say(Buffer.alloc(size, 120))
      await eventually(() => assert.ok(asking.heard.length > before), 500)
    })
    assert.equal(asking.heard.at(-1)?.length, size + 2)
  }
  for (const size of sizes) assert.ok(seen.includes(size), String(size))
  await eventually(() => {
    const [service, task] = [counted(first, 'ports'), counted(second, 'tasks')]
    assert.ok(service !== undefined && task !== undefined)
    assert.deepEqual([service.opened, service.open, task.opened, task.open], [1, 1, 1, 1])
    assert.ok(service.bytesIn >= 70_000 && task.bytesIn >= 70_000)
  })
})

test('a client keeps its task, and clients are spread over tasks', async () => {
  onFirst({
    a: (await tasks.datagramEcho('a')).address,
    b: (await tasks.datagramEcho('b')).address,
  })
  const seen = new Set<string>()
  for (let at = 0; at < 12; at++) {
    const asking = await client()
    const name = await asking.ask('one')
    seen.add(name)
    for (const text of ['two', 'three']) assert.equal(await asking.ask(text), name)
  }
  assert.deepEqual([...seen].sort(), ['a', 'b'])
})

test('flows move at once when their task drains, here or on another node', async () => {
  const b = await tasks.datagramEcho('b')
  await onSecond(b.address)
  const asking = await client()
  assert.equal(await asking.ask('one'), 'b')
  const a = await tasks.datagramEcho('a')
  const both = [endpointOf('b', second.id), endpointOf('a', first.id)]
  const shared = { port, protocol: 'udp', endpoints: both } as const
  first.route({ ...shared, peers: [second.peer], localTasks: [taskAt('a', a.address)] })
  assert.equal(await asking.ask('two'), 'b')
  second.plane.receive({ kind: 'drain', task: 'b' })
  await eventually(() => assert.equal(second.openConnections('b'), 0))
  assert.equal(await asking.ask('three'), 'a')
  first.route({
    ...shared,
    endpoints: [endpointOf('c', first.id)],
    localTasks: [taskAt('c', (await tasks.datagramEcho('c')).address)],
  })
  assert.equal(await asking.ask('four'), 'c')
})

test('a killed task costs its flows one datagram, whatever the routes still say', async () => {
  const b = await tasks.datagramEcho('b')
  await onSecond(b.address)
  const a = await tasks.datagramEcho('a')
  const asking = await client()
  assert.equal(await asking.ask('one'), 'b')
  first.route({
    ...{ port, protocol: 'udp', peers: [second.peer], localTasks: [taskAt('a', a.address)] },
    endpoints: [endpointOf('b', second.id), endpointOf('a', first.id)],
  })
  closeUdp(b.socket)
  assert.equal(await asking.ask('two'), 'a')
})

test('a lost peer loses its flows, and they move', async () => {
  await onSecond((await tasks.datagramEcho('b')).address)
  const a = await tasks.datagramEcho('a')
  const asking = await client()
  assert.equal(await asking.ask('one'), 'b')
  first.route({
    ...{ port, protocol: 'udp', peers: [second.peer], localTasks: [taskAt('a', a.address)] },
    endpoints: [endpointOf('b', second.id), endpointOf('a', first.id)],
  })
  second.plane.stop()
  assert.equal(await asking.ask('two'), 'a')
})

test('a datagram waits a moment for the first task to appear', async () => {
  first.route({ port, protocol: 'udp' })
  const asking = await client()
  asking.say('early')
  const { address } = await tasks.datagramEcho('a')
  await new Promise((resolve) => setTimeout(resolve, 100))
  onFirst({ a: address })
  await eventually(() => assert.deepEqual(asking.heard, ['a:early']))
})

test('a quiet flow is forgotten after its idle time, and gives everything back', async () => {
  const { address } = await tasks.datagramEcho('b')
  const endpoints = [endpointOf('b', second.id)]
  const options = { idleTimeoutMs: 200 }
  first.route({ port, protocol: 'udp', endpoints, options, peers: [second.peer] })
  second.route({ port, protocol: 'udp', peers: [first.peer], localTasks: [taskAt('b', address)] })
  await eventually(() => assert.equal(first.answers(second.id), true))
  assert.equal(await (await client()).ask('x'), 'b')
  await eventually(() => {
    assert.equal(counted(first, 'ports')?.open, 0)
    assert.equal(counted(second, 'tasks')?.open, 0)
    assert.equal(counted(second, 'tasks')?.opened, 1)
  })
})

test('flows of one source are limited by label, others come in', async () => {
  const { address } = await tasks.datagramEcho('a')
  onFirst({ a: address }, { options: { maxConnectionsPerSource: 2 } })
  const [one, two, three] = await Promise.all([client(), client(), client()])
  assert.equal(await one.ask('x'), 'a')
  assert.equal(await two.ask('x'), 'a')
  three.say('x')
  const other = new UdpClient(await tasks.datagramSocket('127.0.50.99'), { host: entry, port })
  assert.equal(await other.ask('x'), 'a')
  assert.deepEqual(three.heard, [])
  await eventually(() => assert.ok((counted(first, 'ports')?.dropped ?? 0) >= 1))
})
