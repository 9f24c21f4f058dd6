import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { serveWhoami, type Whoami } from '../../../src/containers/whoami.ts'

async function start(t: TestContext): Promise<{ whoami: Whoami; port: number }> {
  const whoami = serveWhoami({
    port: 0,
    host: '127.0.0.1',
    facts: { task: 't1', slot: '2', node: 'n1' },
  })
  await once(whoami.server, 'listening')
  t.after(() => whoami.end())
  return { whoami, port: (whoami.server.address() as AddressInfo).port }
}

async function dial(t: TestContext, port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' })
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

async function ask(socket: Socket, bytes: string | Buffer): Promise<string> {
  socket.write(bytes)
  let text = ''
  while (!/\r\n\r\n.*(host: .*\n)/s.test(text)) {
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    text += chunk.toString('latin1')
  }
  return text
}

const get = 'GET /path HTTP/1.1\r\nHost: a.example\r\nX-Two: b\r\n\r\n'
const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')

test('it says who it is, who asked and what was asked', async (t) => {
  const { port } = await start(t)
  const socket = await dial(t, port)
  const text = await ask(socket, get)
  const { localPort } = socket
  assert.match(text, /^HTTP\/1\.1 200 OK\r\n/)
  assert.match(text, /content-type: text\/plain/i)
  assert.match(text, /connection: keep-alive/i)
  const body = text.split('\r\n\r\n')[1]
  assert.equal(
    body,
    `task: t1\nslot: 2\nnode: n1\nclient: 127.0.0.1:${localPort}\nhost: a.example\nx-two: b\n`,
  )
})

test('it takes the client from a preface of version 1, even byte by byte', async (t) => {
  const { port } = await start(t)
  const socket = await dial(t, port)
  socket.setNoDelay(true)
  for (const byte of 'PROXY TCP4 203.0.113.9 198.51.100.1 4711 80\r\n') {
    socket.write(byte)
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.match(await ask(socket, get), /\nclient: 203\.0\.113\.9:4711\n/)
  assert.match(await ask(socket, get), /\nclient: 203\.0\.113\.9:4711\n/)
})

test('it takes the client from a preface of version 2', async (t) => {
  const { port } = await start(t)
  const head = Buffer.concat([signature, Buffer.from('2111000c', 'hex')])
  const addresses = Buffer.from('cb007109c633640112670050', 'hex')
  const socket = await dial(t, port)
  const text = await ask(socket, Buffer.concat([head, addresses, Buffer.from(get)]))
  assert.match(text, /\nclient: 203\.0\.113\.9:4711\n/)
})

test('a proxy that speaks for itself is the client', async (t) => {
  const { port } = await start(t)
  const local = Buffer.concat([signature, Buffer.from('20000000', 'hex'), Buffer.from(get)])
  for (const bytes of [local, `PROXY UNKNOWN\r\n${get}`]) {
    const socket = await dial(t, port)
    const text = await ask(socket, bytes)
    assert.match(text, new RegExp(`client: 127.0.0.1:${socket.localPort}\n`))
  }
})

test('a malformed preface closes the connection without an answer', async (t) => {
  const { port } = await start(t)
  const socket = await dial(t, port)
  socket.on('data', () => assert.fail('it answered'))
  socket.write(`PROXY TCP4 300.0.0.1 198.51.100.1 1 80\r\n${get}`)
  await once(socket, 'end')
})

test('a client that half-closes still gets its answer', async (t) => {
  const { port } = await start(t)
  const socket = await dial(t, port)
  socket.end(get)
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  assert.match(chunk.toString(), /^HTTP\/1\.1 200/)
})

test('at its end it asks clients to go, and closes when the last one has', async (t) => {
  const { whoami, port } = await start(t)
  const socket = await dial(t, port)
  assert.match(await ask(socket, get), /connection: keep-alive/i)
  const closed = once(whoami.server, 'close')
  whoami.end()
  assert.match(await ask(socket, get), /connection: close/i)
  await closed
})
