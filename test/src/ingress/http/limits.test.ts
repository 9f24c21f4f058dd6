import assert from 'node:assert/strict'
import { once } from 'node:events'
import { afterEach, beforeEach, test } from 'node:test'
import { eventually } from '../../../support/eventually.ts'
import { allOf, get, ok, RawTask, say, statusOf } from './raw-task.ts'
import { TestEntrance, until } from './test-entrance.ts'

let entrance: TestEntrance

beforeEach(async () => {
  entrance = await TestEntrance.open()
})

afterEach(() => entrance.close())

async function routeWith(
  options: Parameters<TestEntrance['route']>[1],
  answer?: Parameters<typeof RawTask.serve>[1],
): Promise<RawTask> {
  const task = await RawTask.serve(entrance, answer)
  entrance.route({ limited: task.address }, options)
  return task
}

test('head-timeout: a head that does not end is answered 408, however it trickles', async () => {
  const task = await routeWith({ headTimeoutMs: 300 })
  const socket = entrance.client()
  socket.write('GET / HTTP/1.1\r\n')
  const trickle = setInterval(() => socket.write('A: b\r\n'), 20)
  const got = await allOf(socket)
  clearInterval(trickle)
  assert.equal(statusOf(got), 408)
  assert.equal(task.all, '')
})

test('head-timeout: a connection on which nothing comes is closed without a word', async () => {
  await routeWith({ headTimeoutMs: 200 })
  assert.equal(await allOf(entrance.client()), '')
})

test('max-head: a larger one is answered 431 as soon as it is larger', async () => {
  await routeWith({ maxHeadBytes: 1024 })
  const fits = get('GET / HTTP/1.1', `A: ${'a'.repeat(900)}`)
  assert.equal(statusOf(await say(entrance, fits)), 200)
  const endless = entrance.client()
  endless.write(`GET / HTTP/1.1\r\nA: ${'a'.repeat(1100)}`)
  assert.equal(statusOf(await allOf(endless)), 431)
  const many = Array.from({ length: 200 }, (_, at) => `a${at}:`)
  await routeWith({})
  assert.equal(statusOf(await say(entrance, get('GET / HTTP/1.1', ...many))), 431)
  assert.equal(statusOf(await say(entrance, get(`GET /${'a'.repeat(20_000)} HTTP/1.1`))), 431)
})

test('body-timeout: a body that stops is answered 408', async () => {
  const task = await routeWith({ bodyTimeoutMs: 300 }, () => {})
  assert.equal(
    statusOf(await say(entrance, `${get('POST / HTTP/1.1', 'Content-Length: 9')}hi`)),
    408,
  )
  await eventually(() => assert.ok(task.sockets[0]?.closed))
})

test('body-timeout: a client that takes nothing more is reset', async () => {
  await routeWith({ bodyTimeoutMs: 300 }, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n')
    socket.write(Buffer.alloc(64 * 1024 * 1024))
  })
  const socket = entrance.client()
  socket.write(get())
  await once(socket, 'readable')
  await eventually(() => assert.equal(entrance.entrance.openConnections, 0))
  assert.equal(entrance.entrance.port.counters.inFlight, 0)
})

test('answer-timeout: a task that does not begin is given up, 504', async () => {
  const task = await routeWith({ answerTimeoutMs: 300 }, () => {})
  const got = await say(entrance, get())
  assert.equal(statusOf(got), 504)
  assert.match(got, /504 Gateway Timeout: the task took too long \(request [0-9a-f-]+\)\n$/)
  await eventually(() => assert.ok(task.sockets[0]?.closed))
  assert.equal(task.requests, 1, 'time is up: nobody else is asked')
})

test('answer-timeout: once an answer has begun it may take its time', async () => {
  await routeWith({ answerTimeoutMs: 200 }, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok')
    setTimeout(() => socket.write('ok'), 600)
  })
  assert.ok((await say(entrance, get())).endsWith('okok'))
})

test('idle-timeout: an answer that stops in the middle is reset', async () => {
  await routeWith({ idleTimeoutMs: 300 }, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok')
  })
  assert.ok((await say(entrance, get())).endsWith('okreset'))
})

test('keep-alive-timeout: announced, and kept a little longer than that', async () => {
  await routeWith({ keepAliveTimeoutMs: 1000 })
  const socket = entrance.client()
  socket.write('GET / HTTP/1.1\r\nHost: web\r\n\r\n')
  const [answer] = (await once(socket, 'data')) as [Buffer]
  const sinceMs = performance.now()
  assert.match(answer.toString(), /Connection: keep-alive\r\nKeep-Alive: timeout=1\r\n/)
  assert.equal(await allOf(socket), '')
  assert.ok(performance.now() - sinceMs > 1500)
})

test('max-body: more is answered 413, announced or not', async () => {
  const task = await routeWith({ maxBodyBytes: 10 })
  const fits = `${get('POST / HTTP/1.1', 'Content-Length: 10')}0123456789`
  assert.equal(statusOf(await say(entrance, fits)), 200)
  const { length } = task.got
  assert.equal(statusOf(await say(entrance, get('POST / HTTP/1.1', 'Content-Length: 11'))), 413)
  assert.equal(task.got.length, length)
  const chunks = get('POST / HTTP/1.1', 'Transfer-Encoding: chunked')
  const socket = entrance.client()
  await routeWith({ maxBodyBytes: 10 }, () => {})
  socket.write(`${chunks}6\r\n012345\r\n`)
  socket.write('6\r\n012345\r\n')
  assert.equal(statusOf(await allOf(socket)), 413)
})

test('a draining task gets no further request, and its idle connections are closed', async () => {
  const task = await RawTask.serve(entrance)
  const socket = entrance.client()
  socket.write('GET / HTTP/1.1\r\nHost: web\r\n\r\n')
  await once(socket, 'data')
  const other = await RawTask.serve(entrance, ok.replaceAll('ok', 'ho'))
  entrance.route({ old: task.address, other: other.address })
  assert.equal(entrance.traffic.openOf(`raw-${task.address}`), 1)
  await eventually(() => assert.ok(task.sockets.every((each) => each.closed)))
  entrance.routes.drain('old')
  entrance.entrance.routesChanged()
  const sent = task.requests
  for (let at = 0; at < 5; at++) {
    socket.write('GET / HTTP/1.1\r\nHost: web\r\n\r\n')
    const [answer] = (await once(socket, 'data')) as [Buffer]
    assert.match(answer.toString(), /keep-alive[\s\S]*ho$/)
  }
  assert.equal(task.requests, sent)
})

test('a request that a draining task is answering is answered', async () => {
  const task = await RawTask.serve(entrance, () => {})
  const answer = say(entrance, get())
  await eventually(() => assert.equal(task.requests, 1))
  entrance.routes.drain(`raw-${task.address}`)
  entrance.entrance.routesChanged()
  task.sockets[0]?.write(ok)
  assert.equal(statusOf(await answer), 200)
  await eventually(() => assert.ok(task.sockets[0]?.closed))
})

test('a request is answered by a task that left the table, and its connection is not kept', async () => {
  const task = await RawTask.serve(entrance, () => {})
  const answer = say(entrance, get())
  await eventually(() => assert.equal(task.requests, 1))
  entrance.routes.drain(`raw-${task.address}`)
  entrance.entrance.routesChanged()
  await RawTask.serve(entrance)
  task.sockets[0]?.write(ok.replace('\r\n', '\r\nKeep-Alive: timeout=75\r\n'))
  assert.equal(statusOf(await answer), 200)
  await eventually(() => assert.ok(task.sockets[0]?.closed))
})

test('an ingress that ends says so in every answer, and lets the idle go', async () => {
  const task = await RawTask.serve(entrance, () => {})
  const idle = entrance.client()
  await once(idle, 'connect')
  const busy = entrance.client()
  busy.write('GET / HTTP/1.1\r\nHost: web\r\n\r\n')
  await eventually(() => assert.equal(task.requests, 1))
  entrance.entrance.finish()
  task.sockets[0]?.write(ok)
  assert.match(await until(busy, 'ok'), /Connection: close\r\n/)
  assert.equal(await allOf(idle), '')
  await eventually(() => assert.equal(entrance.entrance.openConnections, 0))
})
