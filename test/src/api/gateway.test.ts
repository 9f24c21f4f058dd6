import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, createServer, type IncomingMessage, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startApi } from '../../support/api-server.ts'
import { webSpec } from './service-spec.ts'

interface Engine extends AsyncDisposable {
  readonly socketPath: string
  readonly server: Server
  /** What arrived: method, path, headers and body. */
  readonly seen: { readonly req: IncomingMessage; readonly body: string }[]
}

async function startEngine(): Promise<Engine> {
  const directory = await mkdtemp(join(tmpdir(), 'mesh-engine-'))
  const socketPath = join(directory, 'docker.sock')
  const seen: { req: IncomingMessage; body: string }[] = []
  const server = createServer((req, res) => {
    let body = ''
    req.on('data', (chunk: Buffer) => (body += chunk.toString()))
    req.on('end', () => {
      seen.push({ req, body })
      if (req.url === '/containers/cut/json') {
        res.writeHead(200, { 'content-length': 100 })
        res.write('half')
        return void setTimeout(() => res.destroy(), 20)
      }
      if (req.url === '/containers/slow/logs') return void res.write('first line')
      res.setHeader('x-private', '1')
      res.setHeader('connection', 'x-private')
      res.end(`answer to ${req.method} ${req.url}`)
    })
  })
  server.on('upgrade', (req, socket: Socket) => {
    let body = ''
    req.on('data', (chunk: Buffer) => (body += chunk.toString()))
    req.on('end', () => {
      seen.push({ req, body })
      socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n')
      socket.on('data', (chunk: Buffer) => socket.write(`echo ${chunk.toString()}`))
      socket.on('error', () => socket.destroy())
      socket.on('end', () => socket.end())
    })
  })
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
  return {
    socketPath,
    server,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await rm(directory, { recursive: true })
    },
  }
}

const dockerAt = (socketPath: string) => ({ runtime: 'docker' as const, socketPath })

/** Sends bytes as they are and answers what comes back until the other end closes. */
async function raw(socketPath: string, text: string): Promise<string> {
  const socket = connect(socketPath)
  let answer = ''
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString()))
  socket.write(text)
  await once(socket, 'close')
  return answer
}

test("calls about containers reach the node's engine, without the version", async () => {
  await using engine = await startEngine()
  await using server = await startApi({ engine: dockerAt(engine.socketPath) })
  const { text, headers } = await server.call('GET', '/v1.50/containers/json?all=1')
  assert.equal(text, 'answer to GET /containers/json?all=1')
  assert.equal(headers['x-private'], undefined)
})

test('a worker answers for its own containers', async () => {
  await using engine = await startEngine()
  await using server = await startApi({ engine: dockerAt(engine.socketPath) })
  server.mesh.role = 'worker'
  assert.equal((await server.call('GET', '/images/json')).status, 200)
})

test('a chunked DELETE stays one request: nothing is smuggled behind it', async () => {
  await using engine = await startEngine()
  await using server = await startApi({ engine: dockerAt(engine.socketPath) })
  const inner = 'GET /containers/admin HTTP/1.1\r\nHost: x\r\n\r\n'
  const head = 'DELETE /containers/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n'
  const body = `${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`
  await raw(server.socketPath, `${head}Connection: close\r\n\r\n${body}`)
  assert.deepEqual(
    engine.seen.map(({ req, body }) => [req.method, req.url, body]),
    [['DELETE', '/containers/a', inner]],
  )
})

test('headers of one hop stay on it, and a Trailer crashes nobody', async () => {
  await using engine = await startEngine()
  await using server = await startApi({ engine: dockerAt(engine.socketPath) })
  const head = 'GET /containers/a HTTP/1.1\r\nHost: x\r\nConnection: close, x-secret\r\n'
  const fields = 'X-Secret: 1\r\nTrailer: a\r\nTE: trailers\r\nX-Kept: 1\r\n\r\n'
  const answer = await raw(server.socketPath, head + fields)
  assert.match(answer, /^HTTP\/1\.1 200/)
  const headers = engine.seen[0]?.req.headers ?? {}
  assert.equal(headers['x-kept'], '1')
  for (const name of ['x-secret', 'trailer', 'te']) assert.equal(headers[name], undefined, name)
})

test('an answer that breaks off is no whole answer', async () => {
  await using engine = await startEngine()
  await using server = await startApi({ engine: dockerAt(engine.socketPath) })
  await assert.rejects(server.call('GET', '/containers/cut/json'))
})

test('a client that goes away takes its call to the engine along', async () => {
  await using engine = await startEngine()
  await using server = await startApi({ engine: dockerAt(engine.socketPath) })
  const socket = connect(server.socketPath)
  socket.write('GET /containers/slow/logs HTTP/1.1\r\nHost: x\r\n\r\n')
  await once(socket, 'data')
  const [upstream] = engine.seen
  assert.ok(upstream !== undefined)
  const closed = once(upstream.req.socket, 'close')
  socket.destroy()
  await closed
})

test('an exec is a raw stream both ways, and its body comes first', async () => {
  await using engine = await startEngine()
  await using server = await startApi({ engine: dockerAt(engine.socketPath) })
  const socket = connect(server.socketPath)
  const body = '{"Tty":true}'
  socket.write(
    `POST /v1.50/exec/abc/start HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body.slice(0, 4)}`,
  )
  socket.write(body.slice(4))
  const [head] = (await once(socket, 'data')) as [Buffer]
  assert.match(head.toString(), /^HTTP\/1\.1 101 /)
  assert.deepEqual(
    engine.seen.map(({ req, body }) => [req.method, req.url, body]),
    [['POST', '/exec/abc/start', body]],
  )
  socket.write('hello')
  const [echo] = (await once(socket, 'data')) as [Buffer]
  assert.equal(echo.toString(), 'echo hello')
  const [upstream] = engine.seen
  assert.ok(upstream !== undefined)
  const closed = once(upstream.req.socket, 'close')
  socket.destroy()
  await closed
})

test('an engine that is away is a 503 that says so, for streams too', async () => {
  await using server = await startApi({ engine: dockerAt('/nowhere/docker.sock') })
  const { status, text } = await server.call('GET', '/containers/json')
  assert.equal(status, 503)
  assert.match(text, /container engine does not answer/)
  const answer = await raw(
    server.socketPath,
    'POST /containers/a/attach HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n',
  )
  assert.match(answer, /^HTTP\/1\.1 503 .*container engine/s)
})

test('nothing but containers can be upgraded', async () => {
  await using server = await startApi()
  const answer = await raw(
    server.socketPath,
    'GET /services HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  )
  assert.match(answer, /^HTTP\/1\.1 501 /)
})

test('why a service waits is asked of the leader, once', async () => {
  await using leader = await startApi()
  leader.mesh.stuck.set('web', 'no suitable node')
  const Placement = { Constraints: ['node.role==worker'] }
  const spec = { ...webSpec, TaskTemplate: { ...webSpec.TaskTemplate, Placement } }
  await leader.call('POST', '/services/create', spec)
  const relay = createServer((req, res) => {
    leader.api.request({ kind: 'peer', node: leader.mesh.self }, req, res)
  })
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(() => new Promise((resolve) => relay.close(() => resolve())))
  cleanup.defer(() => relay.closeAllConnections())
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve))
  const agent = new Agent()
  const target = `http://127.0.0.1:${(relay.address() as AddressInfo).port}`
  await using follower = await startApi({ dialApi: () => ({ target, agent }) })
  await follower.call('POST', '/services/create', webSpec)
  follower.mesh.leaderId = follower.mesh.nodeIds[1] ?? null
  const { status, json, text } = await follower.call('GET', '/services/web/explanation')
  assert.equal(status, 200, text)
  const { Lines, Hint } = json as { Lines: string[]; Hint: string }
  assert.match(Lines.join(), /node\.role==worker/)
  assert.notEqual(Hint, '')
})
