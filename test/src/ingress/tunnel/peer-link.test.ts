import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { nodeId } from '../../../../mesh/base/ids.ts'
import { SeededRandom } from '../../../../mesh/base/random.ts'
import type { PeerIdentity } from '../../../../mesh/identity/peer-identity.ts'
import type { DialRequest } from '../../../../src/ingress/dial-task.ts'
import { NetLoop } from '../../../../src/ingress/net-loop.ts'
import { PeerLink } from '../../../../src/ingress/tunnel/peer-link.ts'
import type {
  ChannelHandler,
  SecureChannel,
  SecureChannels,
} from '../../../../src/ingress/tunnel/secure-channel.ts'
import { PeerBook, type PeerTraffic } from '../../../../src/ingress/counts/traffic.ts'
import { encodeTunnelFrame, FrameDecoder, frameType } from '../../../../src/wire/tunnel-frame.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

const peer: PeerIdentity = {
  nodeId: nodeId('1'.repeat(25)),
  clusterId: '2'.repeat(25),
  role: 'worker',
  peerId: 'p'.repeat(52),
  serial: '01',
  keyDigest: '00',
  notAfterMs: Number.MAX_SAFE_INTEGER,
}

const request: DialRequest = {
  task: 'a',
  generation: 1,
  targetPort: 80,
  proxyProtocol: 'none',
  client: { host: '192.0.2.7', port: 5000 },
  destination: { host: '192.0.2.1', port: 80 },
}

const deaf = { onOpen: () => {}, onFailed: () => {} }

/** A channel whose peer answers PING for as long as it is well. */
class FakeChannel implements SecureChannel {
  readonly handler: ChannelHandler
  readonly #decoder = new FrameDecoder()
  readonly #isWell: () => boolean
  opens = 0
  isDestroyed = false

  constructor(handler: ChannelHandler, isWell: () => boolean) {
    this.handler = handler
    this.#isWell = isWell
  }

  write(bytes: Uint8Array): void {
    this.#decoder.push(bytes, (frame) => {
      if (frame.type === frameType.open) this.opens += 1
      if (frame.type !== frameType.ping || !this.#isWell()) return
      const pong = encodeTunnelFrame(0, frameType.pong, frame.payload)
      setImmediate(() => this.handler.onBytes(pong))
    })
    setImmediate(() => this.handler.onWritten())
  }

  pause(): void {}

  resume(): void {}

  destroy(): void {
    this.isDestroyed = true
  }
}

class FakeChannels implements SecureChannels {
  readonly channels: FakeChannel[] = []
  isWell = true

  setIdentity(): void {}

  listen(): void {}

  unlisten(): void {}

  connect(_to: unknown, _expected: unknown, handler: ChannelHandler): SecureChannel {
    const channel = new FakeChannel(handler, () => this.isWell)
    this.channels.push(channel)
    return channel
  }
}

let clock: FakeClock
let loop: NetLoop
let channels: FakeChannels
let said: boolean[]
let wakes: number
let link: PeerLink
let peers: PeerBook

beforeEach(() => {
  clock = new FakeClock()
  loop = new NetLoop(clock)
  channels = new FakeChannels()
  said = []
  wakes = 0
  peers = new PeerBook()
  link = new PeerLink(
    { node: peer.nodeId, address: { host: '127.0.0.1', port: 1 } },
    {
      loop,
      clock,
      channels,
      peers,
      random: new SeededRandom(1),
      onStatus: (_, answers) => said.push(answers),
      onReachable: () => (wakes += 1),
      onDrain: () => {},
      onRefused: () => {},
    },
  )
})

afterEach(() => link.stop())

/** Lets every frame that is under way arrive. */
async function settle(): Promise<void> {
  for (let at = 0; at < 10; at++) await new Promise((resolve) => setImmediate(resolve))
}

async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) {
    clock.advance(100)
    await settle()
  }
}

function channel(at: number): FakeChannel {
  const found = channels.channels[at]
  assert.ok(found !== undefined, `channel ${at}`)
  return found
}

async function open(at: number): Promise<void> {
  channel(at).handler.onOpen(peer)
  await settle()
}

test('a peer is reachable once it has answered the first PING, not before', async () => {
  channels.isWell = false
  await open(0)
  assert.equal(link.isReachable, false)
  assert.equal(link.dial(request, deaf), null)
  channel(0).handler.onBytes(encodeTunnelFrame(0, frameType.pong, Uint8Array.of(0, 0, 0, 1)))
  assert.equal(link.isReachable, true)
  assert.deepEqual(said, [true])
  assert.equal(wakes, 1)
})

test('a peer that is silent gets no new streams within two seconds, and keeps its old ones', async () => {
  await open(0)
  link.dial(request, deaf)
  await settle()
  channels.isWell = false
  await pass(2100)
  assert.deepEqual(said, [true, false])
  assert.equal(link.dial(request, deaf), null)
  assert.equal(channel(0).isDestroyed, false)
  channel(0).handler.onBytes(encodeTunnelFrame(0, frameType.pong, Uint8Array.of(0, 0, 0, 2)))
  channel(0).handler.onBytes(encodeTunnelFrame(0, frameType.pong, Uint8Array.of(0, 0, 0, 3)))
  assert.deepEqual(said, [true, false, true])
})

/** After a stream was opened, two answered PINGs, and seconds of silence. */
async function counted(): Promise<PeerTraffic> {
  await open(0)
  link.dial(request, deaf)
  await pass(1100)
  channels.isWell = false
  await pass(5000)
  return peers.of(peer.nodeId)
}

test('what a peer was sent is counted, and each silence once', async () => {
  const { pings, latePings, opened, open: openNow, bytesOut } = await counted()
  assert.deepEqual([opened, openNow, latePings], [1, 1, 1])
  assert.ok(pings >= 3 && bytesOut > 0)
})

test('a peer that stays silent for ten seconds is given up, with its open streams', async () => {
  await open(0)
  const ends: string[] = []
  link.dial(request, { onOpen: () => {}, onFailed: ({ kind }) => ends.push(kind) })
  channels.isWell = false
  await pass(10_000)
  assert.equal(channel(0).isDestroyed, false)
  await pass(2000)
  assert.equal(channel(0).isDestroyed, true)
  assert.deepEqual(ends, ['failed'])
  assert.ok(channels.channels.length > 1)
})

test('a silent peer that membership calls dead, too, is given up at once', async () => {
  await open(0)
  channels.isWell = false
  await pass(2100)
  assert.equal(channel(0).isDestroyed, false)
  link.setDead(true)
  assert.equal(channel(0).isDestroyed, true)
})

test('membership first, silence second: the order does not matter', async () => {
  await open(0)
  link.setDead(true)
  await pass(3000)
  assert.equal(channel(0).isDestroyed, false, 'it answers, whatever others say')
  channels.isWell = false
  await pass(2100)
  assert.equal(channel(0).isDestroyed, true)
})

test('one broken connection is redialled at once; only a refused redial says that nobody answers', async () => {
  await open(0)
  channel(0).handler.onClosed('ECONNRESET')
  await pass(100)
  assert.equal(channels.channels.length, 2)
  assert.deepEqual(said, [true])
  channel(1).handler.onClosed('ECONNREFUSED')
  assert.deepEqual(said, [true, false])
})

test('redials become rarer, at most one every few seconds, and never end', async () => {
  for (let at = 0; at < 12; at++) {
    channels.channels.at(-1)?.handler.onClosed('ECONNREFUSED')
    await pass(3100)
  }
  assert.equal(channels.channels.length, 13)
  assert.deepEqual(said, [false])
})

test('a busy connection gets a second one beside it, and the least queued takes the next stream', async () => {
  await open(0)
  for (let at = 0; at < 20; at++) link.dial(request, deaf)
  assert.equal(channels.channels.length, 2)
  await open(1)
  for (let at = 0; at < 10; at++) {
    link.dial(request, deaf)
    await settle()
  }
  assert.equal(channels.channels.length, 2)
  assert.equal(channel(1).opens, 10)
})

test('renewed connections take over, and the old one ends with its last stream', async () => {
  await open(0)
  const cancels = [link.dial(request, deaf)]
  link.renew()
  // The old one serves until the new one does.
  cancels.push(link.dial(request, deaf))
  await settle()
  assert.equal(channel(0).opens, 2)
  await open(1)
  link.dial(request, deaf)
  await pass(1100)
  assert.equal(channel(0).isDestroyed, false)
  assert.equal(channel(1).opens, 1)
  for (const cancel of cancels) cancel?.()
  await pass(1100)
  assert.equal(channel(0).isDestroyed, true)
})

test('a renewal that fails is tried again, and the old connection serves meanwhile', async () => {
  await open(0)
  link.renew()
  channel(1).handler.onClosed('refused')
  await pass(100)
  assert.equal(channels.channels.length, 3)
  assert.equal(link.isReachable, true)
  await open(2)
  assert.equal(channel(0).isDestroyed, true)
  assert.deepEqual(said, [true])
})

/** A peer whose certificate ends in so many milliseconds. */
const peerFor = (leftMs: number): PeerIdentity => ({
  ...peer,
  notAfterMs: clock.nowMs() + leftMs,
})

test("a connection is replaced before its peer's certificate ends, and serves until then", async () => {
  channel(0).handler.onOpen(peerFor(100_000))
  await settle()
  await pass(79_000)
  assert.equal(channels.channels.length, 1)
  await pass(3000)
  assert.equal(channels.channels.length, 2)
  link.dial(request, deaf)
  await settle()
  assert.equal(channel(0).opens, 1)
  channel(1).handler.onOpen(peerFor(90 * 86_400_000))
  await settle()
  link.dial(request, deaf)
  await settle()
  assert.deepEqual([channel(0).opens, channel(1).opens], [1, 1])
  assert.deepEqual(said, [true])
})

test('a certificate that has ended takes nothing new, and keeps what is open', async () => {
  channel(0).handler.onOpen(peerFor(20_000))
  await settle()
  link.dial(request, deaf)
  // Its successors never open.
  await pass(25_000)
  assert.equal(link.dial(request, deaf), null)
  assert.equal(channel(0).isDestroyed, false)
})

test('flows take the least queued connection, and none while nobody answers', async () => {
  assert.equal(link.dialFlow({ ...request, protocol: 'udp' }, deaf), null)
  await open(0)
  assert.notEqual(link.dialFlow({ ...request, protocol: 'udp' }, deaf), null)
  await settle()
  assert.equal(channel(0).opens, 1)
})
