import assert from 'node:assert/strict'
import { once } from 'node:events'
import { afterEach, beforeEach, test } from 'node:test'
import { connect, type ConnectionOptions } from 'node:tls'
import { clientTlsOptions } from '../../../mesh/identity/tls-options.ts'
import {
  encodeCount,
  encodeOpen,
  encodeTunnelFrame,
  frameType,
  type FrameType,
} from '../../../src/wire/tunnel-frame.ts'
import { TestCluster } from '../../mesh/identity/test-cluster.ts'
import { eventually } from '../../support/eventually.ts'
import { RawPeer } from './raw-peer.ts'
import { endpointOf, TestNode, taskAt, targetPort } from './test-node.ts'
import { ask, TestTasks } from './test-tasks.ts'
import { openTwoNodes } from './two-nodes.ts'

const cluster = new TestCluster()
const addresses = ['127.0.50.41', '127.0.50.42'] as const
const [entry, far] = addresses
let tasks: TestTasks
let first: TestNode
let second: TestNode
let port: number

/** An echo runs on the second node; the first one leads clients to it. */
beforeEach(async () => {
  tasks = new TestTasks()
  ;({ first, second, port } = await openTwoNodes(cluster, addresses))
  const endpoints = [endpointOf('b', second.id)]
  first.route({ port, endpoints, peers: [second.peer] })
  const localTasks = [taskAt('b', await tasks.echo())]
  second.route({ port, endpoints, peers: [first.peer], localTasks })
  await eventually(() => assert.equal(first.answers(second.id), true))
})

afterEach(() => {
  tasks.close()
  first.plane.stop()
  second.plane.stop()
})

const open = (stream: number): Uint8Array => {
  const address = { host: '192.0.2.7', port: 5000 }
  const request = { task: 'b', generation: 1, targetPort, proxyProtocol: 'none' } as const
  const payload = encodeOpen({ ...request, client: address, destination: address })
  return encodeTunnelFrame(stream, frameType.open, payload)
}

const data = (stream: number, bytes: number): Uint8Array =>
  encodeTunnelFrame(stream, frameType.data, new Uint8Array(bytes))

interface Attack {
  readonly what: string
  /** Before an answer to OPEN is awaited, and after it. */
  readonly first: readonly Uint8Array[]
  readonly later: readonly Uint8Array[]
  readonly because: RegExp
}

const attacks: readonly Attack[] = [
  {
    what: 'noise',
    first: [Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    later: [],
    because: /tunnel\/malformed.*unknown type/,
  },
  {
    what: 'a frame of sixteen megabytes',
    first: [Uint8Array.of(0, 0, 0, 1, frameType.data, 0xff, 0xff, 0xff)],
    later: [],
    because: /type 2 of 16777215 bytes/,
  },
  {
    what: 'a type that nobody knows',
    first: [encodeTunnelFrame(1, 77 as FrameType)],
    later: [],
    because: /unknown type 77/,
  },
  {
    what: 'an OPEN that cannot be read',
    first: [encodeTunnelFrame(1, frameType.open, new Uint8Array(60).fill(9))],
    later: [],
    because: /OPEN with/,
  },
  {
    what: 'numbers used twice',
    first: [open(5), open(5)],
    later: [],
    because: /OPEN out of order/,
  },
  {
    what: 'more data than there was credit for',
    first: [open(1)],
    // Nobody reads what the echo sends back, so that it stops reading, and nothing more is credited.
    later: Array.from({ length: 400 }, () => data(1, 65_536)),
    because: /more DATA than there was credit for/,
  },
  {
    what: 'credit beyond the window',
    first: [open(1)],
    later: [encodeTunnelFrame(1, frameType.credit, encodeCount(2 ** 31))],
    because: /more credit than the window/,
  },
  {
    what: 'a drain of tasks that are not its own',
    first: [encodeTunnelFrame(0, frameType.drain, Buffer.from('b'))],
    later: [],
    because: /DRAIN from the side that dials/,
  },
]

for (const { what, first: start, later, because } of attacks) {
  test(`a member that sends ${what} is dropped with a reason, and nothing more happens`, async () => {
    const bystander = tasks.client(entry, port)
    bystander.write('before')
    await once(bystander, 'data')
    const peer = await RawPeer.dial(first, second)
    peer.send(...start)
    if (later.length > 0) {
      await eventually(() => assert.ok(peer.heard.includes(frameType.ready)))
      peer.send(...later)
    }
    await eventually(() => assert.equal(peer.isClosed, true))
    await eventually(() => assert.match(second.warnings().join('\n'), because))
    assert.equal(await ask(bystander, 'after'), 'after')
    assert.equal(await ask(tasks.client(entry, port), 'new'), 'new')
  })
}

test('a flood of OPEN costs no neighbour its stream, and no more than its limit of dials', async () => {
  const peer = await RawPeer.dial(first, second)
  for (let stream = 1; stream <= 5000; stream++) peer.send(open(stream))
  await eventually(() => {
    const refused = peer.heard.filter((type) => type === frameType.reset).length
    assert.ok(refused >= 5000 - 4096, String(refused))
  })
  assert.equal(await ask(tasks.client(entry, port), 'still served'), 'still served')
  assert.ok(peer.heard.filter((type) => type === frameType.ready).length <= 4096)
  peer.hangUp()
  await eventually(() => {
    const last = second.said.findLast((message) => message.kind === 'counters')
    assert.equal(last?.counts.tasks[0]?.open, 0)
  })
})

test('a session is never resumed: every connection proves its identity anew', async () => {
  const options: ConnectionOptions = {
    ...clientTlsOptions(first.identity, { alpn: ['mesh-tunnel/1'] }),
    host: far,
    port: second.dataPathPort,
  }
  const sessions: Buffer[] = []
  const socket = connect(options)
  socket.on('session', (session) => sessions.push(session))
  await once(socket, 'secureConnect')
  // Tickets come after the handshake, ahead of the answer to this.
  socket.write(encodeTunnelFrame(0, frameType.ping, encodeCount(1)))
  await once(socket, 'data')
  const session = sessions.at(-1) ?? socket.getSession()
  socket.destroy()
  const again = connect({ ...options, ...(session !== undefined && { session }) })
  await once(again, 'secureConnect')
  assert.equal(again.isSessionReused(), false)
  again.destroy()
})

test('ten new certificates in a row, on both sides, break nothing', async () => {
  const held = tasks.client(entry, port)
  let failures = 0
  let asked = 0
  let isOver = false
  const asking = (async () => {
    while (!isOver) {
      const answer = await ask(tasks.client(entry, port), `q${asked++}`).catch(() => null)
      if (answer === null) failures += 1
    }
  })()
  for (let round = 0; round < 10; round++) {
    for (const node of [first, second]) {
      const identity = { ...node.identity, certificatePem: cluster.renew(node.identity) }
      node.plane.receive({ kind: 'identity', identity })
    }
    held.write(`round ${round}`)
    await once(held, 'data')
    const before = asked
    await eventually(() => assert.ok(asked > before + 3))
  }
  isOver = true
  await asking
  assert.equal(await ask(held, 'end'), 'end')
  assert.deepEqual([failures, asked > 30], [0, true])
})
