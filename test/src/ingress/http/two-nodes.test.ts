import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Agent, createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, test } from 'node:test'
import { TestCluster } from '../../../mesh/identity/test-cluster.ts'
import { eventually } from '../../../support/eventually.ts'
import { endpointOf, TestNode, taskAt } from '../test-node.ts'
import { openTwoNodes, reachEachOther } from '../two-nodes.ts'

const cluster = new TestCluster()
const addresses = ['127.0.49.1', '127.0.49.2'] as const
const [entry] = addresses
let first: TestNode
let second: TestNode
let port: number
let server: Server
let agent: Agent
/** Connections that the task has seen. */
let accepted: number

beforeEach(async () => {
  ;({ first, second, port } = await openTwoNodes(cluster, addresses))
  agent = new Agent({ keepAlive: true })
  accepted = 0
  server = createServer((asked, answer) => {
    if (asked.url === '/headers') answer.end(JSON.stringify(asked.headers))
    else asked.pipe(answer)
  })
  server.on('connection', () => (accepted += 1))
  server.on('upgrade', (_asked, socket) => {
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    )
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  await route()
})

afterEach(() => {
  agent.destroy()
  server.close()
  server.closeAllConnections()
  first.plane.stop()
  second.plane.stop()
})

/** The service's only task runs on the second node; clients come to the first. */
async function route(): Promise<void> {
  const endpoints = [endpointOf('b', second.id)]
  const options = { protocol: 'http' } as const
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  first.route({ port, endpoints, options, peers: [second.peer] })
  const localTasks = [taskAt('b', address)]
  second.route({ port, endpoints, options, peers: [first.peer], localTasks })
  await reachEachOther({ first, second })
}

async function ask(path: string, body?: Buffer): Promise<Buffer> {
  const asked = request({ host: entry, port, agent, path, method: body ? 'POST' : 'GET' })
  asked.end(body)
  const [answer] = await once(asked, 'response')
  assert.equal(answer.statusCode, 200)
  const pieces: Buffer[] = []
  for await (const piece of answer) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

test('requests cross the tunnel over one connection to the task, with who the client is', async () => {
  for (let at = 0; at < 5; at++) {
    const headers = JSON.parse(String(await ask('/headers'))) as Record<string, string>
    assert.equal(headers['x-forwarded-for'], '127.0.0.1')
    assert.equal(headers['host'], `${entry}:${port}`)
  }
  assert.equal(accepted, 1)
})

test('16 MB each way arrive as they were sent', async () => {
  const body = randomBytes(16 * 1024 * 1024)
  assert.equal(digest(await ask('/echo', body)), digest(body))
})

test('WebSocket crosses the tunnel', async () => {
  const asked = request({
    ...{ host: entry, port, path: '/' },
    headers: { Connection: 'Upgrade', Upgrade: 'websocket' },
  })
  asked.end()
  const [, socket] = await once(asked, 'upgrade')
  socket.write('ping')
  const [pong] = await once(socket, 'data')
  assert.equal(String(pong), 'ping')
  socket.destroy()
})

test('a drain on the far node closes idle connections and costs no request', async () => {
  await ask('/headers')
  second.plane.receive({ kind: 'drain', task: 'b' })
  await eventually(() => assert.equal(second.openConnections('b'), 0))
  const other = createServer((_asked, answer) => answer.end('other')).listen(0, '127.0.0.1')
  await once(other, 'listening')
  try {
    const address = `127.0.0.1:${(other.address() as AddressInfo).port}`
    const endpoints = [endpointOf('b', second.id), endpointOf('c', second.id)]
    const options = { protocol: 'http' } as const
    second.route({
      port,
      endpoints,
      options,
      peers: [first.peer],
      localTasks: [taskAt('c', address)],
    })
    first.route({ port, endpoints, options, peers: [second.peer] })
    for (let at = 0; at < 5; at++) assert.equal(String(await ask('/headers')), 'other')
  } finally {
    other.close()
    other.closeAllConnections()
  }
})

test('an ingress that ends answers what is asked, says so, and is finished', async () => {
  await ask('/headers')
  first.plane.receive({ kind: 'finish' })
  await eventually(() => {
    assert.ok(first.said.some((message) => message.kind === 'finished'))
  })
})
