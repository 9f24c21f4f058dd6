import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Agent, createServer, request, type RequestListener } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, beforeEach, test } from 'node:test'
import { eventually } from '../../../support/eventually.ts'
import { freePort } from '../test-tasks.ts'
import { allOf, get, ok, RawTask, say, statusOf } from './raw-task.ts'
import { host, TestEntrance, until } from './test-entrance.ts'

let entrance: TestEntrance
let cleanUps: (() => void)[]

beforeEach(async () => {
  entrance = await TestEntrance.open()
  cleanUps = []
})

afterEach(() => {
  for (const cleanUp of cleanUps) cleanUp()
  entrance.close()
})

/** An ordinary server of Node as a task; its address. */
async function nodeTask(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  cleanUps.push(() => {
    server.close()
    server.closeAllConnections()
  })
  await once(server, 'listening')
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

interface Told {
  readonly status: number | undefined
  readonly body: Buffer
}

function agent(): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  cleanUps.push(() => agent.destroy())
  return agent
}

/** What an ordinary client of Node is told. */
async function tell(
  agent: Agent,
  { method = 'GET', path = '/', body }: { method?: string; path?: string; body?: Buffer } = {},
): Promise<Told> {
  const asked = request({ host, port: entrance.port, agent, method, path })
  asked.end(body)
  const [answer] = await once(asked, 'response')
  const pieces: Buffer[] = []
  for await (const piece of answer) pieces.push(piece as Buffer)
  return { status: answer.statusCode, body: Buffer.concat(pieces) }
}

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

const keptAlive = (target: string): string => `GET ${target} HTTP/1.1\r\nHost: web\r\n\r\n`

test('pipelined requests are answered in their order, and asked one at a time', async () => {
  let open = 0
  const seen: string[] = []
  entrance.route({
    a: await nodeTask((asked, answer) => {
      open += 1
      assert.equal(open, 1)
      seen.push(asked.url ?? '')
      setTimeout(() => {
        open -= 1
        answer.end(`[${asked.url}]`)
      }, 5)
    }),
  })
  const paths = Array.from({ length: 10 }, (_, at) => `/${at}`)
  const socket = entrance.client()
  socket.write(paths.slice(0, 9).map(keptAlive).join('') + get('GET /9 HTTP/1.1'))
  const got = await allOf(socket)
  assert.deepEqual(seen, paths)
  assert.deepEqual(
    got.match(/\[\/\d\]/g),
    paths.map((path) => `[${path}]`),
  )
})

test('a client that has said its last still gets every answer', async () => {
  await RawTask.serve(entrance)
  const socket = entrance.client()
  socket.end(keptAlive('/1') + keptAlive('/2'))
  assert.equal((await allOf(socket)).split('HTTP/1.1 200 OK').length, 3)
})

test('heads and chunks that come byte by byte are what they are in one piece', async () => {
  const task = await RawTask.serve(entrance, (socket, got) => {
    if (!got.endsWith('0\r\n\r\n')) return
    const answer = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n'
    for (const byte of answer) socket.write(byte)
  })
  const socket = entrance.client()
  socket.setNoDelay()
  const text = `${get('POST / HTTP/1.1', 'Transfer-Encoding: chunked')}2;x\r\nhi\r\n0\r\nA: b\r\n\r\n`
  for (const byte of text) {
    socket.write(byte)
    await new Promise(setImmediate)
  }
  assert.ok((await allOf(socket)).endsWith('2\r\nok\r\n0\r\n\r\n'))
  assert.ok(task.all.endsWith('\r\n\r\n2\r\nhi\r\n0\r\n\r\n'), task.all)
})

test('large bodies arrive as they were sent, both ways, counted and in chunks', async () => {
  entrance.route({
    a: await nodeTask((asked, answer) => {
      const isCounted = asked.url === '/counted'
      if (isCounted) answer.setHeader('Content-Length', asked.headers['content-length'] ?? '')
      asked.pipe(answer)
    }),
  })
  const body = randomBytes(8 * 1024 * 1024)
  for (const path of ['/counted', '/chunked']) {
    const told = await tell(agent(), { method: 'POST', path, body })
    assert.equal(digest(told.body), digest(body))
  }
})

test('connections to tasks are used again, by whoever comes next', async () => {
  const task = await RawTask.serve(entrance)
  for (let at = 0; at < 5; at++) assert.equal(statusOf(await say(entrance, get())), 200)
  assert.equal(task.got.length, 1)
  assert.equal(task.requests, 5)
})

test('an idle connection is closed before the task would, by its own word', async () => {
  const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: timeout=1\r\n\r\nok'
  const task = await RawTask.serve(entrance, answer)
  for (let at = 0; at < 3; at++) assert.equal(statusOf(await say(entrance, get())), 200)
  assert.equal(task.got.length, 3, 'a second less than one second is none')
  const brief = await RawTask.serve(entrance, answer.replace('=1', '=2'))
  assert.equal(statusOf(await say(entrance, get())), 200)
  await eventually(() => assert.ok(brief.sockets.every((socket) => socket.readableEnded)))
})

test('a task that closed an idle connection costs an idempotent request nothing', async () => {
  let heads = 0
  const task = await RawTask.serve(entrance, (socket) => {
    heads += 1
    if (heads === 2) socket.destroy()
    else socket.write(ok)
  })
  assert.equal(statusOf(await say(entrance, get())), 200)
  assert.equal(statusOf(await say(entrance, get())), 200)
  assert.equal(task.got.length, 2)
  assert.equal(entrance.entrance.port.counters.retries, 1)
})

test('what is asked a second time is the same, with its body', async () => {
  const dying = await RawTask.serve(entrance, (socket) => socket.destroy())
  const good = await RawTask.serve(entrance)
  entrance.route({ dying: dying.address, good: good.address }, { balance: 'round-robin' })
  const put = `${get('PUT / HTTP/1.1', 'Content-Length: 5')}hello`
  for (let at = 0; at < 4; at++) assert.equal(statusOf(await say(entrance, put)), 200)
  const chunks = '2\r\nhi\r\n0\r\n\r\n'
  const chunked = `${get('DELETE / HTTP/1.1', 'Transfer-Encoding: chunked')}${chunks}`
  assert.equal(statusOf(await say(entrance, chunked)), 200)
  const { retries } = entrance.entrance.port.counters
  assert.ok(retries >= 2, `${retries}`)
  assert.match(good.all, /^(?:PUT \/ HTTP\/1\.1\r\n(?:[A-Z].*\r\n)+\r\nhello){4}DELETE/)
  assert.ok(good.all.endsWith(`\r\n\r\n${chunks}`))
})

test('a task that refuses costs nobody anything, and is left alone after that', async () => {
  const dead = `127.0.0.1:${await freePort()}`
  const task = await RawTask.serve(entrance)
  entrance.route({ dead, good: task.address }, { balance: 'round-robin' })
  for (let at = 0; at < 10; at++) {
    const asked = `${get('POST / HTTP/1.1', 'Content-Length: 2')}hi`
    assert.equal(statusOf(await say(entrance, asked)), 200)
  }
  const backends = [...entrance.entrance.port.backends]
  const failures = backends.find(({ task }) => task === 'dead')?.counters.failures ?? []
  assert.equal(
    [...failures].reduce((sum, each) => sum + each, 0),
    1,
  )
  assert.equal(entrance.entrance.port.counters.ejections, 1)
})

test('the last task is asked however often it failed', async () => {
  let isDown = true
  const task = await RawTask.serve(entrance, (socket) => {
    if (isDown) socket.destroy()
    else socket.write(ok)
  })
  for (let at = 0; at < 5; at++) assert.equal(statusOf(await say(entrance, get())), 502)
  isDown = false
  assert.equal(statusOf(await say(entrance, get())), 200)
  assert.ok(task.requests > 5)
})

test('no task: a client waits a moment for one, then is told', async () => {
  entrance.route({})
  assert.equal(statusOf(await say(entrance, get())), 503)
  const waiting = say(entrance, get())
  await new Promise((resolve) => setTimeout(resolve, 100))
  await RawTask.serve(entrance)
  assert.equal(statusOf(await waiting), 200)
})

test('answers of our own keep a connection whose request was read whole', async () => {
  entrance.route({})
  const socket = entrance.client()
  socket.write(keptAlive('/'))
  assert.match(await until(socket, 'request '), /^HTTP\/1\.1 503 [\s\S]*Connection: keep-alive\r\n/)
})

test('WebSocket: after a checked 101 bytes pass both ways, also those that came along', async () => {
  const switching =
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nhello'
  const task = await RawTask.serve(entrance, (socket, got) => {
    if (got.endsWith('\r\n\r\n')) socket.write(switching)
    else socket.write('pong')
  })
  const socket = entrance.client()
  socket.write(
    get('GET /chat HTTP/1.1', 'Connection: Upgrade', 'Upgrade: WebSocket', 'Sec-WebSocket-Key: k'),
  )
  const [first] = (await once(socket, 'data')) as [Buffer]
  assert.match(
    first.toString(),
    /^HTTP\/1\.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n/,
  )
  assert.match(task.all, /Connection: Upgrade\r\nUpgrade: websocket\r\n/)
  socket.write('ping')
  assert.ok((await until(socket, 'pong')).includes('pong'))
  assert.equal(entrance.entrance.port.counters.inFlight, 1)
  socket.destroy()
  await eventually(() => assert.equal(entrance.entrance.port.counters.inFlight, 0))
})

test('events pass one by one as they come', async () => {
  let stream: Socket | undefined
  await RawTask.serve(entrance, (socket) => {
    stream = socket
    socket.write(
      'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n',
    )
  })
  const socket = entrance.client()
  socket.write(keptAlive('/events'))
  const [head] = (await once(socket, 'data')) as [Buffer]
  assert.match(head.toString(), /^HTTP\/1\.1 200 OK\r\nContent-Type: text\/event-stream\r\n/)
  for (const event of ['a', 'b', 'c']) {
    stream?.write(`1\r\n${event}\r\n`)
    const [piece] = (await once(socket, 'data')) as [Buffer]
    assert.equal(piece.toString(), `1\r\n${event}\r\n`)
  }
})

test('a client that goes away takes its request along', async () => {
  const task = await RawTask.serve(entrance, () => {})
  for (const leave of ['destroy', 'resetAndDestroy'] as const) {
    const socket = entrance.client()
    socket.write(keptAlive('/'))
    const { length } = task.sockets
    await eventually(() => assert.equal(task.sockets.length, length + 1))
    await eventually(() => assert.match(task.got[length] ?? '', /^GET/))
    socket[leave]()
    await eventually(() => assert.ok(task.sockets[length]?.closed))
  }
  await eventually(() => assert.equal(entrance.entrance.openConnections, 0))
  assert.equal(entrance.entrance.port.counters.inFlight, 0)
})

test('a client that does not read stops the task, and nobody else', async () => {
  let sent = 0
  const flood = (socket: Socket): void => {
    const piece = Buffer.alloc(64 * 1024)
    while (sent < 64 * 1024 * 1024) {
      sent += piece.length
      if (!socket.write(piece)) return void socket.once('drain', () => flood(socket))
    }
  }
  await RawTask.serve(entrance, (socket, got) => {
    if (!got.includes('/flood')) return void socket.write(ok)
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n')
    flood(socket)
  })
  const stuck = entrance.client()
  stuck.write(keptAlive('/flood'))
  stuck.pause()
  for (let at = 0; at < 10; at++) assert.equal(statusOf(await say(entrance, get())), 200)
  const before = sent
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.ok(sent - before < 8 * 1024 * 1024 && sent < 32 * 1024 * 1024, `${sent} bytes were taken`)
  stuck.destroy()
})

test('a client of HTTP/1.0 gets no chunks, and keeps a connection only where lengths are known', async () => {
  await RawTask.serve(
    entrance,
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
  )
  const old = await say(entrance, 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
  assert.match(old, /^HTTP\/1\.1 200 OK\r\nConnection: close\r\n\r\nok$/)
  await RawTask.serve(entrance)
  const socket = entrance.client()
  socket.write('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
  assert.match(await until(socket, 'ok'), /Connection: keep-alive\r\nKeep-Alive: timeout=60\r\n/)
})

test('an answer that ends with its connection ends the client’s', async () => {
  await RawTask.serve(entrance, (socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nall of it'))
  const got = await say(entrance, keptAlive('/'))
  assert.match(got, /^HTTP\/1\.1 200 OK\r\nConnection: close\r\n\r\nall of it$/)
})

test('an answer ahead of the request’s end: the rest is read and dropped', async () => {
  await RawTask.serve(entrance, ok)
  const socket = entrance.client()
  socket.write('POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 10\r\n\r\nhello')
  assert.ok((await until(socket, '\r\n\r\nok')).startsWith('HTTP/1.1 200'))
})

test('who the client is, is said by us; who it says it is, only when it is trusted', async () => {
  const claims = [
    'X-Forwarded-For: 6.6.6.6',
    'Forwarded: for=6.6.6.6',
    'X-Forwarded-Proto: https',
    'X-Real-IP: 6.6.6.6',
    'X-Request-Id: mine',
    'X-Forwarded-Host: evil',
  ]
  const task = await RawTask.serve(entrance)
  await say(entrance, get('GET / HTTP/1.1', ...claims))
  assert.doesNotMatch(task.all, /6\.6\.6\.6|https|evil|mine/)
  assert.match(task.all, /^X-Forwarded-For: 127\.0\.0\.1\r$/m)
  assert.match(task.all, /^Forwarded: for=127\.0\.0\.1;host="web";proto=http\r$/m)
  assert.match(task.all, /^X-Forwarded-Host: web\r$/m)
  assert.match(task.all, /^X-Request-Id: [0-9a-f]{16}-\w+\r$/m)
  const trusted = await RawTask.serve(entrance)
  entrance.route({ b: trusted.address }, { trust: ['127.0.0.0/8'] })
  await say(entrance, get('GET / HTTP/1.1', ...claims, 'X-Forwarded-For: 7.7.7.7'))
  assert.match(trusted.all, /^X-Forwarded-For: 6\.6\.6\.6, 7\.7\.7\.7, 127\.0\.0\.1\r$/m)
  assert.match(
    trusted.all,
    /^Forwarded: for=6\.6\.6\.6, for=127\.0\.0\.1;host="web";proto=http\r$/m,
  )
  assert.match(trusted.all, /^X-Forwarded-Proto: https\r$/m)
  assert.match(trusted.all, /^X-Request-Id: mine\r$/m)
  assert.equal(trusted.all.match(/X-Request-Id/g)?.length, 1)
})

test('a client that reads slowly gets all of an answer after which its connection ends', async () => {
  const bytes = 2 * 1024 * 1024
  await RawTask.serve(entrance, (socket) => {
    socket.end(`HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(bytes)}`)
  })
  const socket = entrance.client()
  socket.write(get())
  await once(socket, 'readable')
  await new Promise((resolve) => setTimeout(resolve, 2500))
  const got = await allOf(socket)
  assert.equal(got.slice(got.indexOf('\r\n\r\n') + 4).length, bytes)
})

test('a slow task gets few requests, and everything is counted', async () => {
  const slow = await nodeTask((_asked, answer) => void setTimeout(() => answer.end('slow'), 60))
  const fast = await nodeTask((_asked, answer) => answer.end('fast'))
  entrance.route({ slow, fast })
  const told: string[] = []
  const client = async (): Promise<void> => {
    const own = agent()
    for (let at = 0; at < 50; at++) told.push(String((await tell(own)).body))
  }
  await Promise.all([client(), client(), client(), client()])
  const share = told.filter((body) => body === 'slow').length
  assert.ok(share < 60, `${share} of 200 went to the slow one`)
  const count = entrance.entrance.port.count()
  assert.equal(count?.requests, 200)
  assert.equal(count.statusClasses[2], 200)
  assert.equal(
    count.latencies.reduce((sum, each) => sum + each, 0),
    200,
  )
  assert.equal(count.inFlight, 0)
  const ofTasks = entrance.entrance.port.taskCounts()
  const ofSlow = ofTasks.find(({ id }) => id.endsWith('/slow'))
  assert.equal(ofSlow?.requests, share)
  assert.ok(ofSlow.latencySumMs >= share * 50)
})
