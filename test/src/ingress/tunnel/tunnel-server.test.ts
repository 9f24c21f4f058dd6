import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { nodeId } from '../../../../mesh/base/ids.ts'
import type { PeerIdentity } from '../../../../mesh/identity/peer-identity.ts'
import { TaskDialer } from '../../../../src/ingress/dial-task.ts'
import { NetLoop } from '../../../../src/ingress/net-loop.ts'
import { Routes } from '../../../../src/ingress/routes.ts'
import type {
  ChannelHandler,
  SecureChannel,
} from '../../../../src/ingress/tunnel/secure-channel.ts'
import { PeerBook, TrafficBook } from '../../../../src/ingress/counts/traffic.ts'
import { TunnelServer } from '../../../../src/ingress/tunnel/tunnel-server.ts'
import { NetDatagrams } from '../../../../src/ingress/udp/net-datagrams.ts'
import {
  encodeCount,
  encodeOpen,
  encodeTunnelFrame,
  FrameDecoder,
  frameType,
  type FrameType,
} from '../../../../src/wire/tunnel-frame.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { tableOf } from '../test-node.ts'

const self = nodeId('0'.repeat(25))
const peerNode = nodeId('1'.repeat(25))

class FakeChannel implements SecureChannel {
  readonly #decoder = new FrameDecoder()
  readonly heard: FrameType[] = []
  isDestroyed = false
  handler: ChannelHandler | null = null

  write(bytes: Uint8Array): void {
    this.#decoder.push(bytes, (frame) => this.heard.push(frame.type))
    setImmediate(() => this.handler?.onWritten())
  }

  pause(): void {}

  resume(): void {}

  destroy(): void {
    this.isDestroyed = true
  }
}

let clock: FakeClock
let loop: NetLoop
let routes: Routes
let refused: string[]
let server: TunnelServer

beforeEach(() => {
  clock = new FakeClock()
  loop = new NetLoop(clock)
  routes = new Routes()
  refused = []
  const traffic = new TrafficBook()
  server = new TunnelServer({
    loop,
    clock,
    routes,
    traffic,
    peers: new PeerBook(),
    dialer: new TaskDialer({ loop, datagrams: new NetDatagrams(), routes, traffic }),
    onListening: () => {},
    onListenFailed: () => {},
    onRefused: (_, because) => refused.push(because),
  })
  member({})
})

afterEach(() => {
  server.destroyAll()
  loop.stop()
})

const member = (more: { readonly isDead?: boolean }): void =>
  routes.replace(tableOf(self, { port: 80, peers: [{ node: peerNode, address: 'x:1', ...more }] }))

function accepted(notAfterMs = Number.MAX_SAFE_INTEGER): FakeChannel {
  const channel = new FakeChannel()
  const peer: PeerIdentity = {
    nodeId: peerNode,
    clusterId: '2'.repeat(25),
    role: 'worker',
    peerId: 'p'.repeat(52),
    serial: '01',
    keyDigest: '00',
    notAfterMs,
  }
  channel.handler = server.onAccept(channel, peer)
  assert.ok(channel.handler !== null)
  return channel
}

const ping = encodeTunnelFrame(0, frameType.ping, encodeCount(1))

/** Time passes; with `pinged`, the peer pings every second. */
function pass(ms: number, pinged?: FakeChannel): void {
  for (let passed = 0; passed < ms; passed += 500) {
    clock.advance(500)
    if (passed % 1000 === 0) pinged?.handler?.onBytes(ping)
  }
}

test('a peer that has not pinged for ten seconds is gone, and the log says so', () => {
  const channel = accepted()
  pass(9500)
  assert.equal(channel.isDestroyed, false)
  pass(1500)
  assert.equal(channel.isDestroyed, true)
  assert.deepEqual(refused, ['silent'])
})

test('one that membership calls dead, too, is gone after a few pings; one that pings stays', () => {
  const silent = accepted()
  const talking = accepted()
  member({ isDead: true })
  pass(4000, talking)
  assert.deepEqual([silent.isDestroyed, talking.isDestroyed], [true, false])
})

test('a peer whose certificate has ended meanwhile gets nothing new', async () => {
  const channel = accepted(clock.nowMs() + 60_000)
  pass(59_000, channel)
  const address = { host: '192.0.2.7', port: 1 }
  const request = { task: 'a', generation: 1, targetPort: 80, proxyProtocol: 'none' } as const
  const payload = encodeOpen({ ...request, client: address, destination: address })
  pass(2000, channel)
  channel.handler?.onBytes(encodeTunnelFrame(1, frameType.open, payload))
  for (let at = 0; at < 10; at++) await new Promise((resolve) => setImmediate(resolve))
  assert.ok(channel.heard.includes(frameType.gone))
  assert.equal(channel.isDestroyed, false)
})
