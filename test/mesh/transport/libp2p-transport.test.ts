import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, test } from 'node:test'
import type { NodeId } from '../../../mesh/base/ids.ts'
import { silentLog, type Log } from '../../../mesh/base/log.ts'
import { MeshError } from '../../../mesh/base/mesh-error.ts'
import type { NodeIdentity } from '../../../mesh/identity/node-identity.ts'
import { maxFrameBytes } from '../../../mesh/transport/framed-stream.ts'
import { parseHostPort } from '../../../mesh/transport/host-address.ts'
import { Libp2pTransport } from '../../../mesh/transport/libp2p-transport.ts'
import type { DialTarget, FrameStream } from '../../../mesh/transport/transport.ts'
import { systemClock } from '../../../src/runtime/system-clock.ts'
import { systemRandom } from '../../../src/runtime/system-random.ts'
import { eventually } from '../../support/eventually.ts'
import { TestCluster } from '../identity/test-cluster.ts'

const topic = 'test/topic'
const frames = '/test/frames/1'
const requests = '/test/requests/1'
const streams = '/test/streams/1'

const running = new Set<Libp2pTransport>()

afterEach(async () => {
  await Promise.all([...running].map((transport) => transport.stop()))
  running.clear()
})

interface Given {
  readonly isMember?: (node: NodeId, peerId: string) => boolean
  readonly port?: number
  readonly log?: Log
  readonly prepare?: (transport: Libp2pTransport) => void
}

async function start(identity: NodeIdentity, given: Given = {}): Promise<Libp2pTransport> {
  const { isMember = () => true, port = 0, log = silentLog } = given
  const transport = await Libp2pTransport.create(
    { identity, listen: { host: '127.0.0.1', port }, topics: [topic], isMember },
    { clock: systemClock, random: systemRandom, log },
  )
  given.prepare?.(transport)
  await transport.start()
  running.add(transport)
  return transport
}

const targetOf = ({ nodeId, peerId }: NodeIdentity, at: Libp2pTransport): DialTarget => ({
  node: nodeId,
  peerId,
  address: at.address,
})

async function stop(transport: Libp2pTransport): Promise<void> {
  running.delete(transport)
  await transport.stop()
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const bytes = (said: string): Uint8Array => new TextEncoder().encode(said)

/** Connected nodes, each of which has all others as targets. */
async function mesh(cluster: TestCluster, count: number, given: Given = {}) {
  const nodes: { identity: NodeIdentity; transport: Libp2pTransport }[] = []
  for (let n = 0; n < count; n++) {
    const identity = await cluster.member()
    nodes.push({ identity, transport: await start(identity, given) })
  }
  const targets = nodes.map(({ identity, transport }) => targetOf(identity, transport))
  for (const { transport } of nodes) transport.setTargets(targets)
  await eventually(() => {
    for (const { transport } of nodes) assert.equal(transport.connected().length, count - 1)
  })
  return nodes
}

test('frames reach every peer, in order, from whom they are', async () => {
  const received: string[] = []
  const [one, two, three] = await mesh(new TestCluster(), 3, {
    prepare: (transport) => {
      transport.onFrame(frames, (from, frame) => received.push(`${from} ${text(frame)}`))
    },
  })
  assert.ok(one !== undefined && two !== undefined && three !== undefined)
  for (let n = 0; n < 20; n++) {
    assert.equal(one.transport.send(two.identity.nodeId, frames, bytes(`${n}`)), true)
  }
  assert.equal(three.transport.send(two.identity.nodeId, frames, new Uint8Array(300_000)), true)
  await eventually(() => assert.equal(received.length, 21))
  const fromOne = received.filter((line) => line.startsWith(one.identity.nodeId))
  assert.deepEqual(
    fromOne,
    Array.from({ length: 20 }, (_, n) => `${one.identity.nodeId} ${n}`),
  )
  assert.equal(one.transport.send(new TestCluster(9).drawNodeId(), frames, bytes('x')), false)
})

test('requests are answered, fail with the reason, and time out', async () => {
  const [one, two] = await mesh(new TestCluster(), 2, {
    prepare: (transport) => {
      transport.onRequest(requests, async (_, frame) => {
        const asked = text(frame)
        if (asked === 'fail') throw new MeshError({ code: 'raft/no-leader' })
        if (asked === 'never') await new Promise(() => {})
        return bytes(`re: ${asked}`)
      })
    },
  })
  assert.ok(one !== undefined && two !== undefined)
  const ask = (said: string, timeoutMs = 5000): Promise<Uint8Array> =>
    one.transport.request(two.identity.nodeId, requests, bytes(said), timeoutMs)
  const answers = await Promise.all(['a', 'b', 'c'].map((said) => ask(said)))
  assert.deepEqual(answers.map(text), ['re: a', 're: b', 're: c'])
  await assert.rejects(ask('fail'), /transport\/failed .*raft\/no-leader/)
  await assert.rejects(ask('never', 50), /transport\/timeout/)
  const stranger = new TestCluster(9).drawNodeId()
  await assert.rejects(
    one.transport.request(stranger, requests, bytes('a'), 1000),
    /transport\/unreachable/,
  )
  const waiting = assert.rejects(ask('never', 60_000), /transport\/unreachable/)
  await stop(two.transport)
  await waiting
})

test('a stream carries frames both ways and ends on both sides', async () => {
  const ended: string[] = []
  const [one, two] = await mesh(new TestCluster(), 2, {
    prepare: (transport) => {
      transport.onStream(streams, (stream) => {
        stream.onFrame((frame) => stream.send(bytes(`re: ${text(frame)}`)))
        stream.onClose(() => ended.push('accepted'))
      })
    },
  })
  assert.ok(one !== undefined && two !== undefined)
  const stream: FrameStream = await one.transport.openStream(two.identity.nodeId, streams)
  const answers: string[] = []
  stream.onFrame((frame) => answers.push(text(frame)))
  stream.onClose(() => ended.push('opened'))
  assert.equal(stream.send(bytes('hello')), true)
  await eventually(() => assert.deepEqual(answers, ['re: hello']))
  stream.close()
  assert.equal(stream.send(bytes('late')), false)
  await eventually(() => assert.deepEqual(ended.toSorted(), ['accepted', 'opened']))
  await assert.rejects(
    one.transport.openStream(two.identity.nodeId, '/test/unknown/1'),
    /transport\/unreachable/,
  )
})

test('what is sent before somebody listens is held back, not lost', async () => {
  const accepted: FrameStream[] = []
  const [one, two] = await mesh(new TestCluster(), 2, {
    prepare: (transport) => transport.onStream(streams, (stream) => accepted.push(stream)),
  })
  assert.ok(one !== undefined && two !== undefined)
  const stream = await one.transport.openStream(two.identity.nodeId, streams)
  let sent = 0
  while (stream.send(new Uint8Array(1_000_000))) sent++
  assert.ok(sent >= 8 && sent < 20, `the queue has a limit (${sent} frames)`)
  await eventually(() => assert.equal(accepted.length, 1))
  let received = 0
  accepted[0]?.onFrame(() => received++)
  await eventually(() => assert.equal(received, sent))
  assert.equal(stream.send(bytes('more')), true)
})

test('a frame above the limit is never sent', async () => {
  const [one, two] = await mesh(new TestCluster(), 2, {
    prepare: (transport) => transport.onFrame(frames, () => {}),
  })
  assert.ok(one !== undefined && two !== undefined)
  const tooLong = new Uint8Array(maxFrameBytes + 1)
  assert.equal(one.transport.send(two.identity.nodeId, frames, tooLong), false)
  await assert.rejects(
    one.transport.request(two.identity.nodeId, requests, tooLong, 1000),
    /transport\/unreachable/,
  )
})

test('streams that end leave nothing behind', async () => {
  const [one, two] = await mesh(new TestCluster(), 2, {
    prepare: (transport) => transport.onStream(streams, (stream) => stream.onFrame(() => {})),
  })
  assert.ok(one !== undefined && two !== undefined)
  for (let n = 0; n < 300; n++) {
    const stream = await one.transport.openStream(two.identity.nodeId, streams)
    stream.close()
  }
})

test('what is published reaches all others once', async () => {
  const received = new Map<Libp2pTransport, string[]>()
  const nodes = await mesh(new TestCluster(), 3, {
    prepare: (transport) => {
      received.set(transport, [])
      transport.onPublished(topic, (data) => received.get(transport)?.push(text(data)))
    },
  })
  const [one, two, three] = nodes.map(({ transport }) => transport)
  assert.ok(one !== undefined && two !== undefined && three !== undefined)
  await eventually(() => {
    one.publish(topic, bytes('early'))
    assert.ok(received.get(two)?.includes('early') === true)
    assert.ok(received.get(three)?.includes('early') === true)
  })
  one.publish(topic, bytes('once'))
  await eventually(() => {
    for (const other of [two, three]) {
      const copies = received.get(other)?.filter((said) => said === 'once')
      assert.equal(copies?.length, 1)
    }
  })
  assert.deepEqual(received.get(one), [])
})

test('a node that stopped is refused at once, and met again when it is back', async () => {
  const cluster = new TestCluster()
  const [one, two] = await mesh(cluster, 2)
  assert.ok(one !== undefined && two !== undefined)
  const events: string[] = []
  one.transport.onConnection((node, event) => {
    assert.equal(node, two.identity.nodeId)
    events.push(event)
  })
  const port = parseHostPort(two.transport.address)?.port
  assert.ok(port !== undefined)
  await stop(two.transport)
  await eventually(() => assert.deepEqual(events.slice(0, 2), ['down', 'refused']))
  assert.deepEqual(one.transport.connected(), [])
  const received: string[] = []
  await start(two.identity, {
    port,
    prepare: (transport) => transport.onFrame(frames, (_, frame) => received.push(text(frame))),
  })
  await eventually(() => assert.equal(events.at(-1), 'up'))
  await eventually(() => {
    one.transport.send(two.identity.nodeId, frames, bytes('again'))
    assert.ok(received.includes('again'))
  })
})

test('a stranger with the same names is refused, and the reason is logged', async () => {
  const cluster = new TestCluster(1)
  const member = await cluster.member()
  const impostor = await new TestCluster(1).member({ node: cluster.drawNodeId() })
  const reasons: unknown[] = []
  const log: Log = { ...silentLog, warn: (facts) => reasons.push(facts['reason']) }
  const inside = await start(member, { log })
  // Believes everybody: what is tested is that the member does not.
  const trusting = { ...impostor, caCertificatesPem: [cluster.authority.caCertificatePem] }
  const outside = await start(trusting)
  outside.setTargets([targetOf(member, inside)])
  await eventually(() => assert.match(String(reasons[0]), /not issued by the authority/))
  assert.deepEqual(inside.connected(), [])
  inside.setTargets([targetOf(impostor, outside)])
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.deepEqual(inside.connected(), [])
})

test('what is no handshake is refused with the reason, and a mere look is not told', async () => {
  const told: unknown[] = []
  const log: Log = { ...silentLog, warn: (facts) => told.push(facts) }
  const inside = await start(await new TestCluster().member(), { log })
  const { host, port } = parseHostPort(inside.address) ?? { host: '', port: 0 }
  const look = connect({ host, port })
  await once(look, 'connect')
  look.end().resume()
  await once(look, 'close')
  const babbler = connect({ host, port }).on('error', () => {})
  babbler.end('GET / HTTP/1.1\r\nHost: mesh\r\nX-Filler: '.padEnd(200, 'x'))
  await eventually(() => assert.equal(told.length, 1))
  const [{ reason, ...facts }] = told as [{ reason: string }]
  assert.match(reason, /^no handshake: ./)
  assert.deepEqual(facts, { remoteAddress: '127.0.0.1', direction: 'inbound' })
  babbler.destroy()
})

test('a peer that is not who was dialled is refused', async () => {
  const cluster = new TestCluster()
  const [one, two, absent] = [
    await cluster.member(),
    await cluster.member(),
    await cluster.member(),
  ]
  const reasons: unknown[] = []
  const log: Log = { ...silentLog, warn: (facts) => reasons.push(facts['reason']) }
  const dialling = await start(one, { log })
  const listening = await start(two)
  dialling.setTargets([{ node: absent.nodeId, peerId: absent.peerId, address: listening.address }])
  await eventually(() => assert.match(String(reasons[0]), /expected peer/))
  assert.deepEqual(dialling.connected(), [])
})

test('a removed member loses its connection and does not get a new one', async () => {
  const removed = new Set<NodeId>()
  const isMember = (node: NodeId): boolean => !removed.has(node)
  const [one, two, three] = await mesh(new TestCluster(), 3, { isMember })
  assert.ok(one !== undefined && two !== undefined && three !== undefined)
  removed.add(three.identity.nodeId)
  one.transport.recheckPeers()
  two.transport.recheckPeers()
  await eventually(() => assert.deepEqual(three.transport.connected(), []))
  // Long enough for several redials of the removed node, whose back-off starts at 200 ms.
  await new Promise((resolve) => setTimeout(resolve, 700))
  assert.deepEqual(three.transport.connected(), [])
  assert.deepEqual(one.transport.connected(), [two.identity.nodeId])
})

test('a listener that throws costs the sender its stream, not the node its life', async () => {
  const received: string[] = []
  const [one, two] = await mesh(new TestCluster(), 2, {
    prepare: (transport) => {
      transport.onFrame(frames, (_, frame) => {
        if (text(frame) === 'bad') throw new Error('stumbled')
        received.push(text(frame))
      })
    },
  })
  assert.ok(one !== undefined && two !== undefined)
  one.transport.send(two.identity.nodeId, frames, bytes('bad'))
  await eventually(() => {
    one.transport.send(two.identity.nodeId, frames, bytes('good'))
    assert.ok(received.includes('good'))
  })
})

test('a renewed certificate serves new connections', async () => {
  const cluster = new TestCluster()
  const member = await cluster.member()
  const expired = await cluster.member({ nowMs: Date.now() - 91 * 24 * 3600 * 1000 })
  const [one, two] = [await start(member), await start(expired)]
  two.setTargets([targetOf(member, one)])
  await new Promise((resolve) => setTimeout(resolve, 400))
  assert.deepEqual(two.connected(), [])
  two.useIdentity({ ...expired, certificatePem: cluster.renew(expired) })
  await eventually(() => assert.deepEqual(one.connected(), [expired.nodeId]))
})
