import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request, createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, test } from 'node:test'
import {
  AccessLog,
  type AccessBatch,
  type AccessLine,
} from '../../../../src/ingress/http/access-log.ts'
import { eventually } from '../../../support/eventually.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { host, TestEntrance, until } from './test-entrance.ts'

let entrance: TestEntrance
let server: Server

beforeEach(async () => {
  entrance = await TestEntrance.open()
})

afterEach(() => {
  entrance.close()
  server?.close()
  server?.closeAllConnections()
})

async function serve(listener: RequestListener, every: number | null = 1): Promise<void> {
  server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  entrance.route({ a: `127.0.0.1:${port}` }, { accessLogEvery: every })
}

async function ask(path: string, body = ''): Promise<string | undefined> {
  const method = body === '' ? 'GET' : 'POST'
  const asked = request({ host, port: entrance.port, path, method, agent: false }).end(body)
  const [answer] = await once(asked, 'response')
  answer.resume()
  await once(answer, 'close').catch(() => {})
  return answer.headers['x-request-id'] as string | undefined
}

const told = (count: number): Promise<readonly AccessLine[]> =>
  eventually(() => {
    assert.equal(entrance.told.length, count)
    return entrance.told
  })

test('a request is told with what became of it, but without its query', async () => {
  let seenId = ''
  await serve((asked, answer) => {
    seenId = String(asked.headers['x-request-id'])
    asked.resume().on('end', () => {
      answer.statusCode = 201
      answer.end('hello')
    })
  })
  await ask('/orders/7?token=secret', 'four')
  const [line] = await told(1)
  assert.ok(line !== undefined)
  const { startedAtMs, durationMs, answeredAfterMs, ...facts } = line
  assert.deepEqual(facts, {
    ...{ requestId: seenId, service: 'web', port: entrance.port, client: '127.0.0.1' },
    ...{ method: 'POST', path: '/orders/7', status: 201, bytesIn: 4, bytesOut: 5 },
    ...{ task: 'a', taskNode: 'here', isWhole: true },
  })
  assert.ok(durationMs >= (answeredAfterMs ?? Infinity) && startedAtMs > 0)
  assert.ok(!JSON.stringify(entrance.told).includes('secret'))
})

test('one that no task answered is told with the status that it got', async () => {
  server = createServer()
  entrance.route({}, { accessLogEvery: 1 })
  const requestId = await ask('/')
  const [line] = await told(1)
  assert.equal(line?.status, 503)
  assert.equal(line?.requestId, requestId)
  assert.equal(line?.task, null)
})

test('what is no request is told, too', async () => {
  await serve((_asked, answer) => answer.end())
  const client = entrance.client()
  client.write('GET nonsense\r\n\r\n')
  await until(client, 'request')
  const [line] = await told(1)
  assert.deepEqual([line?.status, line?.method, line?.path], [400, '', ''])
})

test('an answer that was cut off is not told as a whole one', async () => {
  await serve((_asked, answer) => {
    answer.writeHead(200, { 'content-length': '100' })
    answer.write('x', () => answer.destroy())
  })
  const client = entrance.client()
  client.write('GET /cut HTTP/1.1\r\nHost: x\r\n\r\n')
  await until(client, 'never').catch(() => {})
  const [line] = await told(1)
  assert.deepEqual([line?.status, line?.isWhole, line?.bytesOut], [200, false, 1])
})

test('requests of one connection are told one by one, each of its own task and bytes', async () => {
  await serve((asked, answer) => answer.end(asked.url))
  const client = entrance.client()
  client.write(
    'GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /bcd HTTP/1.1\r\nHost: x\r\n\r\nTRACE\r\n\r\n',
  )
  await until(client, '400 Bad Request')
  const lines = await told(3)
  assert.deepEqual(
    lines.map(({ path, status, bytesOut, task }) => [path, status, bytesOut, task]),
    [
      ['/a', 200, 2, 'a'],
      ['/bcd', 200, 4, 'a'],
      ['', 400, 0, null],
    ],
  )
})

test('nothing is told unless a label asks for it, and a sample when it asks for one', async () => {
  await serve((_asked, answer) => answer.end(), null)
  await ask('/')
  const { port } = server.address() as AddressInfo
  entrance.route({ a: `127.0.0.1:${port}` }, { accessLogEvery: 4 })
  for (let at = 0; at < 200; at++) await ask('/')
  const count = await eventually(() => {
    assert.ok(entrance.told.length > 0)
    return entrance.told.length
  })
  assert.ok(count > 15 && count < 100, String(count))
})

test('while nobody takes them, lines are kept up to a bound, and the rest is counted', () => {
  const clock = new FakeClock()
  const batches: AccessBatch[] = []
  const log = new AccessLog(clock, (batch) => batches.push(batch))
  for (let at = 0; at < 5000; at++) log.add({} as AccessLine)
  clock.advance(1000)
  assert.deepEqual(
    batches.map(({ lines, dropped }) => [lines.length, dropped]),
    [[250, 3000]],
  )
  for (let at = 0; at < 8; at++) log.taken()
  const lines = batches.reduce((sum, batch) => sum + batch.lines.length, 0)
  const dropped = batches.reduce((sum, batch) => sum + batch.dropped, 0)
  assert.deepEqual([lines, dropped, batches.length], [2000, 3000, 8])
  log.add({} as AccessLine)
  clock.advance(1000)
  assert.equal(batches.length, 9)
})
