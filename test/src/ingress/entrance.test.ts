import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, test } from 'node:test'
import { decodeProxyHeader, encodeProxyHeader } from '../../../src/wire/proxy-protocol.ts'
import { TestCluster } from '../../mesh/identity/test-cluster.ts'
import { eventually } from '../../support/eventually.ts'
import { endpointOf, TestNode, taskAt, type TableFacts } from './test-node.ts'
import { ask, dialled, failure, freePort, readAll, TestTasks } from './test-tasks.ts'

const cluster = new TestCluster()
const host = '127.0.50.21'
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

/** One task, with these options of its port. */
async function serve(address: string, options: TableFacts['options'] = {}): Promise<void> {
  const endpoints = [endpointOf('a', node.id)]
  node.route({ port, endpoints, localTasks: [taskAt('a', address)], options })
  await listening()
}

const listening = (at = host): Promise<void> =>
  eventually(async () => assert.equal(await dialled(tasks.client(at, port)), 'connected'))

/** Its address is the one that `from` says. */
function clientFrom(from: string): Socket {
  const socket = connect({ host, port, localAddress: from, allowHalfOpen: true })
  socket.on('error', () => {})
  return socket
}

/** A connection through which something has passed; tried again while others are still leaving. */
function opened(connecting: () => Socket): Promise<Socket> {
  return eventually(async () => {
    const socket = connecting()
    socket.write('x')
    await once(socket, 'data')
    return socket
  })
}

const counted = () => node.said.findLast((message) => message.kind === 'counters')?.counts.ports[0]

test('a port listens at chosen addresses, IPv6 too, and nowhere else', async () => {
  await serve(await tasks.echo())
  node.listen([
    { protocol: 'tcp', host: '127.0.50.22', port },
    { protocol: 'tcp', host: '::1', port },
  ])
  for (const at of ['127.0.50.22', '::1']) {
    await listening(at)
    assert.equal(await ask(tasks.client(at, port), 'hello'), 'hello')
  }
  assert.equal(await dialled(tasks.client(host, port)), 'ECONNREFUSED')
})

test('an open connection outlives the address that it came in through', async () => {
  await serve(await tasks.echo())
  const client = tasks.client(host, port)
  client.write('one')
  await once(client, 'data')
  node.listen([{ protocol: 'tcp', host: '127.0.50.22', port }])
  await listening('127.0.50.22')
  assert.equal(await ask(client, 'two'), 'two')
})

test('an idle connection is reset to both sides after the time that its label says', async () => {
  const atTask = Promise.withResolvers<string | undefined>()
  const address = await tasks.serve((socket) => {
    socket.write('x')
    void failure(socket).then(atTask.resolve)
  })
  await serve(address, { idleTimeoutMs: 300 })
  const client = tasks.client(host, port)
  await once(client, 'data')
  assert.deepEqual([await failure(client), await atTask.promise], ['ECONNRESET', 'ECONNRESET'])
})

test('a shorter idle time reaches the connections that are open', async () => {
  const address = await tasks.echo()
  await serve(address)
  const client = tasks.client(host, port)
  client.write('x')
  await once(client, 'data')
  await serve(address, { idleTimeoutMs: 200 })
  assert.equal(await failure(client), 'ECONNRESET')
})

for (const version of ['v1', 'v2'] as const) {
  test(`a trusted proxy speaks for its client with PROXY ${version}, and the task hears that`, async () => {
    await serve(await tasks.echo(), { trust: ['127.0.50.0/24'], proxyProtocol: 'v2' })
    const header = {
      source: { host: '192.0.2.7', port: 4711 },
      destination: { host: '192.0.2.1', port: 443 },
    }
    const bytes = Buffer.concat([encodeProxyHeader(version, header), Buffer.from('payload')])
    const proxy = clientFrom('127.0.50.77')
    await once(proxy, 'connect')
    const answer = readAll(proxy)
    // One byte at a time, then the rest at once: the header may come in any pieces.
    for (let at = 0; at < 20; at++) {
      proxy.write(bytes.subarray(at, at + 1))
      await new Promise((resolve) => setImmediate(resolve))
    }
    proxy.end(bytes.subarray(20))
    const heard = await answer
    const decoded = decodeProxyHeader(heard)
    assert.ok(decoded.kind === 'header')
    assert.deepEqual(decoded.header, header)
    assert.equal(heard.subarray(decoded.length).toString(), 'payload')
  })
}

test('a trusted proxy that speaks for itself is the client', async () => {
  await serve(await tasks.echo(), { trust: ['127.0.50.77'] })
  assert.equal(await ask(clientFrom('127.0.50.77'), 'PROXY UNKNOWN\r\nhello'), 'hello')
})

test('without a header a trusted proxy gets nowhere, and the log says why', async () => {
  let isReached = false
  const address = await tasks.serve((socket) => socket.on('data', () => (isReached = true)))
  await serve(address, { trust: ['127.0.50.77'] })
  const proxy = clientFrom('127.0.50.77')
  const end = failure(proxy)
  proxy.write('GET / HTTP/1.1\r\n\r\n')
  assert.equal(await end, 'ECONNRESET')
  assert.equal(isReached, false)
  assert.match(node.warnings().join('\n'), /refused at a published port: no PROXY header: /)
})

test('a stranger who sends a PROXY header is not believed: the task gets it as it came', async () => {
  await serve(await tasks.echo(), { trust: ['10.0.0.0/8', 'fd00::/8'] })
  const header = 'PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n'
  assert.equal(await ask(tasks.client(host, port), header), header)
})

test('a port takes so many connections and no more, until one has left', async () => {
  await serve(await tasks.echo())
  await serve(await tasks.echo(), { maxConnections: 2 })
  const one = await opened(() => tasks.client(host, port))
  const two = await opened(() => tasks.client(host, port))
  assert.equal(await failure(tasks.client(host, port)), 'ECONNRESET')
  assert.equal(await ask(one, 'y'), 'y')
  await eventually(async () => assert.equal(await ask(tasks.client(host, port), 'z'), 'z'))
  assert.equal(await ask(two, 'y'), 'y')
  await eventually(() => assert.ok((counted()?.failed ?? 0) >= 1))
})

test('a source has a limit of its own, and behind a proxy it is the client that counts', async () => {
  const limits = { maxConnectionsPerSource: 1, trust: ['127.0.50.77'] }
  await serve(await tasks.echo())
  await serve(await tasks.echo(), limits)
  const first = await opened(() => clientFrom('127.0.50.31'))
  assert.equal(await failure(clientFrom('127.0.50.31')), 'ECONNRESET')
  assert.equal(await ask(clientFrom('127.0.50.32'), 'x'), 'x')
  const behind = (client: string): Socket => {
    const proxy = clientFrom('127.0.50.77')
    proxy.write(`PROXY TCP4 ${client} 192.0.2.1 1 2\r\nx`)
    return proxy
  }
  const held = behind('192.0.2.7')
  await once(held, 'data')
  assert.equal(await failure(behind('192.0.2.7')), 'ECONNRESET')
  await once(behind('192.0.2.8'), 'data')
  for (const socket of [first, held]) socket.destroy()
})
