import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { SeededRandom, type Random } from '../../../../mesh/base/random.ts'
import { eventually } from '../../../support/eventually.ts'
import { chunked } from '../../../support/fuzz.ts'
import { mutate, pick } from '../../../support/fuzz-mutations.ts'
import { TestEntrance } from './test-entrance.ts'

const requests = [
  'GET / HTTP/1.1\r\nHost: web\r\n\r\n',
  'GET /1 HTTP/1.1\r\nHost: web\r\n\r\nGET /2 HTTP/1.1\r\nHost: web\r\n\r\nGET /3 HTTP/1.1\r\nHost: web\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 5\r\n\r\nhelloHEAD / HTTP/1.1\r\nHost: web\r\n\r\n',
  'PUT / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n5;a\r\nhello\r\n0\r\nA: b\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n',
  'GET /w HTTP/1.1\r\nHost: web\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nbytes',
  'GET / HTTP/1.0\r\n\r\n',
].map((text) => Buffer.from(text, 'latin1'))

const answers = [
  'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
  'HTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.1 200 OK\r\n\r\nuntil the end',
  'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nbytes',
  'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort',
].map((text) => Buffer.from(text, 'latin1'))

const leave = (socket: Socket, random: Random): void => {
  const way = random.below(4)
  if (way === 0) socket.destroy()
  else if (way === 1) socket.resetAndDestroy()
  else socket.end()
}

/** Says something in pieces, at its own pace, and then perhaps goes. */
async function speak(socket: Socket, corpus: readonly Buffer[], random: Random): Promise<void> {
  const bytes = random.below(3) === 0 ? mutate(corpus, random) : pick(corpus, random)
  for (const piece of chunked(bytes, random)) {
    if (socket.destroyed) return
    socket.write(piece)
    if (random.below(4) === 0) await new Promise((resolve) => setTimeout(resolve, random.below(5)))
  }
}

test('whatever clients and tasks do to each other, nothing breaks and nothing is left', async () => {
  const random = new SeededRandom(49)
  const entrance = await TestEntrance.open()
  const task = (): Promise<string> =>
    entrance.tasks.serve((socket) => {
      socket.on('data', () => {
        void speak(socket, answers, random).then(() => {
          if (random.below(4) === 0) leave(socket, random)
        })
      })
      socket.on('end', () => socket.end())
    })
  const limits = {
    bodyTimeoutMs: 200,
    answerTimeoutMs: 200,
    headTimeoutMs: 200,
    idleTimeoutMs: 400,
  }
  entrance.route({ a: await task(), b: await task() }, { ...limits, keepAliveTimeoutMs: 1000 })
  try {
    const client = async (): Promise<void> => {
      for (let at = 0; at < 20; at++) {
        const socket = entrance.client()
        socket.resume()
        await speak(socket, requests, random)
        await new Promise((resolve) => setTimeout(resolve, random.below(20)))
        leave(socket, random)
      }
    }
    await Promise.all(Array.from({ length: 16 }, client))
    const { port } = entrance.entrance
    await eventually(() => assert.equal(entrance.entrance.openConnections, 0))
    assert.equal(port.counters.inFlight, 0)
    for (const backend of port.backends) assert.equal(backend.counters.inFlight, 0)
    assert.ok(port.counters.requests > 100)
    entrance.routes.drain('a')
    entrance.routes.drain('b')
    entrance.entrance.routesChanged()
    await eventually(() => {
      assert.equal(entrance.traffic.openOf('a') + entrance.traffic.openOf('b'), 0)
    })
  } finally {
    entrance.close()
  }
})
