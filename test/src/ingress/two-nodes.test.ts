import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { afterEach, beforeEach, test } from 'node:test'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import { clientTlsOptions } from '../../../mesh/identity/tls-options.ts'
import { decodeProxyHeader } from '../../../src/wire/proxy-protocol.ts'
import { TestCluster } from '../../mesh/identity/test-cluster.ts'
import { eventually } from '../../support/eventually.ts'
import { endpointOf, TestNode, taskAt, type TableFacts } from './test-node.ts'
import { ask, failure, freePort, readAll, TestTasks } from './test-tasks.ts'
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

/** The service's only task runs on the second node; clients come to the first. */
async function routeToSecond(address: string, more: Partial<TableFacts> = {}): Promise<void> {
  const endpoints = [endpointOf('b', second.id)]
  first.route({ port, endpoints, peers: [second.peer], ...more })
  second.route({ port, endpoints, peers: [first.peer], localTasks: [taskAt('b', address)] })
  await connected()
}

const connected = (): Promise<void> => reachEachOther({ first, second })

test('a client of one node reaches a task of another, both ways, to both ends', async () => {
  await routeToSecond(await tasks.echo())
  assert.equal(await ask(tasks.client(entry, port), 'hello'), 'hello')
})

test("a stopped task's node is asked once, says GONE, and the client gets another task", async () => {
  await routeToSecond(await tasks.echo())
  const here = await tasks.named('here')
  first.route({
    port,
    endpoints: [
      endpointOf('b', second.id, 99),
      endpointOf('x', second.id),
      endpointOf('a', first.id),
    ],
    peers: [second.peer],
    localTasks: [taskAt('a', here)],
  })
  for (let at = 0; at < 10; at++) assert.equal(await ask(tasks.client(entry, port), ''), 'here')
})

test('a task whose own node does not know it yet is asked again', async () => {
  await routeToSecond(await tasks.echo())
  const address = await tasks.named('late')
  const endpoints = [endpointOf('late', second.id)]
  first.route({ port, endpoints, peers: [second.peer] })
  const answer = ask(tasks.client(entry, port), '')
  await new Promise((resolve) => setTimeout(resolve, 100))
  second.route({ port, peers: [first.peer], localTasks: [taskAt('late', address)] })
  assert.equal(await answer, 'late')
})

test('the task hears who the client is, not who the entry node is', async () => {
  await routeToSecond(await tasks.echo(), { options: { proxyProtocol: 'v2' } })
  const client = tasks.client(entry, port)
  await once(client, 'connect')
  const source = { host: entry, port: client.localPort }
  const answer = readAll(client)
  client.end('x')
  const decoded = decodeProxyHeader(await answer)
  assert.ok(decoded.kind === 'header')
  assert.deepEqual(decoded.header, { source, destination: { host: entry, port } })
})

test('20 MB each way arrive as they were sent', async () => {
  await routeToSecond(await tasks.echo())
  const sent = randomBytes(20 * 1024 * 1024)
  const client = tasks.client(entry, port)
  const answer = readAll(client)
  client.end(sent)
  assert.equal(digest(await answer), digest(sent))
})

test('a client that does not read holds up nobody else', async () => {
  const address = await tasks.serve((socket) => {
    socket.once('data', (bytes) => {
      if (bytes.toString() === 'flood') socket.end(Buffer.alloc(8 * 1024 * 1024))
      else socket.end(bytes)
    })
  })
  await routeToSecond(address)
  const stuck = tasks.client(entry, port)
  stuck.pause()
  stuck.write('flood')
  for (let at = 0; at < 20; at++) assert.equal(await ask(tasks.client(entry, port), 'x'), 'x')
  assert.equal((await readAll(stuck.resume())).length, 8 * 1024 * 1024)
})

test('resets cross the tunnel both ways', async () => {
  const atTask = Promise.withResolvers<string | undefined>()
  const address = await tasks.serve((socket) => {
    socket.once('data', (bytes) => {
      if (bytes.toString() === 'reset me') socket.resetAndDestroy()
      else void failure(socket.resume()).then(atTask.resolve)
      socket.write('x')
    })
  })
  await routeToSecond(address)
  const reset = tasks.client(entry, port)
  reset.write('reset me')
  assert.equal(await failure(reset), 'ECONNRESET')
  const resetting = tasks.client(entry, port)
  resetting.write('hello')
  await once(resetting, 'data')
  resetting.resetAndDestroy()
  assert.equal(await atTask.promise, 'ECONNRESET')
})

test('IPv6 all the way: the client, the nodes, and what the task hears of them', async () => {
  const at = '::1'
  const near = new TestNode(await cluster.member(), { address: at, port: await freePort() })
  const other = new TestNode(await cluster.member(), { address: at, port: await freePort() })
  try {
    const endpoints = [endpointOf('b', other.id)]
    const options = { proxyProtocol: 'v2' } as const
    const localTasks = [taskAt('b', await tasks.echo())]
    other.route({ port, peers: [near.peer], localTasks })
    other.listen([])
    near.route({ port, endpoints, options, peers: [other.peer] })
    await eventually(() => assert.equal(near.answers(other.id), true))
    const client = tasks.client(at, port)
    await once(client, 'connect')
    const source = { host: at, port: client.localPort }
    const answer = readAll(client)
    client.end('x')
    const decoded = decodeProxyHeader(await answer)
    assert.ok(decoded.kind === 'header')
    assert.deepEqual(decoded.header, { source, destination: { host: at, port } })
  } finally {
    near.plane.stop()
    other.plane.stop()
  }
})

test('a draining task is told gone to peers, and its open streams are counted', async () => {
  await routeToSecond(await tasks.echo())
  const client = tasks.client(entry, port)
  client.write('x')
  await once(client, 'data')
  second.plane.receive({ kind: 'drain', task: 'b' })
  await eventually(() => assert.equal(second.openConnections('b'), 1))
  assert.equal(await failure(tasks.client(entry, port)), 'ECONNRESET')
  assert.equal(await ask(client, 'bye'), 'bye')
  await eventually(() => assert.equal(second.openConnections('b'), 0))
})

test('a peer that goes away stops answering, and answers again when it is back', async () => {
  await routeToSecond(await tasks.echo())
  second.plane.stop()
  await eventually(() => assert.equal(first.answers(second.id), false))
  const { identity, address, dataPathPort } = second
  second = new TestNode(identity, { address, port: dataPathPort })
  second.route({ port, peers: [first.peer] })
  await eventually(() => assert.equal(first.answers(second.id), true))
})

test('a node that is no member any more is cut off, and the log says why', async () => {
  await routeToSecond(await tasks.echo())
  const client = tasks.client(entry, port)
  client.write('x')
  await once(client, 'data')
  second.route({ port, peers: [] })
  assert.equal(await failure(client), 'ECONNRESET')
  await eventually(() => {
    const because = 'refused on the data path: the node is no member of this cluster'
    assert.ok(second.warnings().includes(because), second.warnings().join('\n'))
  })
})

test('a new certificate is used for new connections, and breaks no open one', async () => {
  await routeToSecond(await tasks.echo())
  const client = tasks.client(entry, port)
  client.write('one')
  await once(client, 'data')
  const renewed = { ...first.identity, certificatePem: cluster.renew(first.identity) }
  first.plane.receive({ kind: 'identity', identity: renewed })
  second.plane.receive({
    kind: 'identity',
    identity: { ...second.identity, certificatePem: cluster.renew(second.identity) },
  })
  assert.equal(await ask(client, 'two'), 'two')
  await eventually(async () => {
    assert.equal(await ask(tasks.client(entry, port), 'new'), 'new')
  })
})

test('foreign, absent and wrong certificates get nowhere, and the log says why', async () => {
  await routeToSecond(await tasks.echo())
  const foreign = await new TestCluster(7).member({ node: first.id })
  const stranger = await cluster.member()
  const options: ConnectionOptions = { host: far, port: second.dataPathPort }
  const alpn = ['mesh-tunnel/1']
  const withoutCertificate = { ...options, ALPNProtocols: alpn, rejectUnauthorized: false }
  await nothingComes(withoutCertificate)
  await nothingComes({
    ...clientTlsOptions(foreign, { alpn }),
    ...options,
    rejectUnauthorized: false,
  })
  await nothingComes({ ...clientTlsOptions(stranger, { alpn }), ...options })
  await nothingComes({ ...clientTlsOptions(first.identity, { alpn: ['http/1.1'] }), ...options })
  await eventually(() => {
    const said = second.warnings().join('\n')
    for (const because of [
      'no certificate',
      'not issued by the authority of this cluster',
      'the node is no member of this cluster',
    ]) {
      assert.ok(said.includes(because), `${because}?\n${said}`)
    }
  })
})

test('a dialler refuses whoever answers in the place of a peer', async () => {
  const impostor = new TestNode(await cluster.member(), {
    address: '127.0.0.3',
    port: await freePort(),
  })
  try {
    impostor.route({ port: await freePort(), peers: [first.peer] })
    const peers = [{ node: second.id, address: impostor.peer.address }]
    first.route({ port, peers, endpoints: [endpointOf('b', second.id)] })
    await eventually(() => assert.equal(first.answers(second.id), false))
    assert.ok(first.warnings().some((line) => line.includes(`it is node ${impostor.id}`)))
  } finally {
    impostor.plane.stop()
  }
})

/** The connection is closed, and not one byte came before that. */
async function nothingComes(options: ConnectionOptions): Promise<void> {
  const socket = connectTls(options)
  let bytes = 0
  socket.on('data', (piece: Buffer) => (bytes += piece.length))
  socket.on('error', () => {})
  await new Promise((resolve) => void socket.once('close', resolve))
  assert.equal(bytes, 0)
}

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
