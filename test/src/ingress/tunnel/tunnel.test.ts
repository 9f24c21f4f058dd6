import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import type { DialRequest } from '../../../../src/ingress/dial-task.ts'
import type { DialFailure, DialHandler, End, EndHandler } from '../../../../src/ingress/end.ts'
import type { CloseCause, Slab } from '../../../../src/ingress/loop.ts'
import { NetLoop } from '../../../../src/ingress/net-loop.ts'
import type { SecureChannel } from '../../../../src/ingress/tunnel/secure-channel.ts'
import { PeerTraffic } from '../../../../src/ingress/counts/traffic.ts'
import {
  Tunnel,
  tunnelLimits,
  type TunnelLimits,
  type TunnelListener,
} from '../../../../src/ingress/tunnel/tunnel.ts'
import {
  streamWindowBytes,
  type TunnelStream,
} from '../../../../src/ingress/tunnel/tunnel-stream.ts'
import type { TunnelFlow } from '../../../../src/ingress/udp/tunnel-flow.ts'
import { systemClock } from '../../../../src/runtime/system-clock.ts'
import {
  encodeCount,
  encodeOpen,
  encodeTask,
  encodeTunnelFrame,
  FrameDecoder,
  frameType,
  type Frame,
  type FrameType,
} from '../../../../src/wire/tunnel-frame.ts'

const request: DialRequest = {
  task: 'task-a',
  generation: 3,
  targetPort: 80,
  proxyProtocol: 'none',
  client: { host: '192.0.2.7', port: 5000 },
  destination: { host: '192.0.2.1', port: 80 },
}

let loop: NetLoop

beforeEach(() => {
  loop = new NetLoop(systemClock)
})

afterEach(() => loop.stop())

test('what is dialled is offered, accepted, and carries bytes both ways to both ends', async () => {
  const { dialler, offers } = pair()
  const dialled = new Recorder()
  dialler.tunnel.dial(request, dialled)
  await turns()
  const [offer] = offers
  assert.ok(offer !== undefined)
  assert.deepEqual(offer.request, request)
  const served = new Recorder(offer.stream)
  offer.stream.accept()
  await turns()
  assert.equal(dialled.hasOpened, true)
  sendText(dialled.end, 'question')
  dialled.end.shutdown()
  await turns()
  assert.equal(served.text, 'question')
  assert.equal(served.hasEnded, true)
  sendText(offer.stream, 'answer')
  offer.stream.shutdown()
  await turns()
  assert.equal(dialled.text, 'answer')
  assert.deepEqual([dialled.cause, served.cause], ['ended', 'ended'])
  assert.deepEqual([dialler.tunnel.openStreams, offers.length], [0, 1])
})

test('GONE and RESET before READY are told apart', async () => {
  const { dialler, offers } = pair()
  const first = new Recorder()
  const second = new Recorder()
  dialler.tunnel.dial(request, first)
  dialler.tunnel.dial(request, second)
  await turns()
  offers[0]?.stream.refuse()
  offers[1]?.stream.reset()
  await turns()
  assert.equal(first.failure?.kind, 'gone')
  assert.equal(second.failure?.kind, 'failed')
  assert.equal(dialler.tunnel.openStreams, 0)
})

test('a reader that stops holds up its own stream only, within its credit', async () => {
  const { dialler, offers } = pair()
  const [slow, quick] = await openTwo(dialler.tunnel, offers)
  slow.server.pause()
  const piece = new Uint8Array(64 * 1024)
  let hasRoom = true
  for (let at = 0; at < 12 && hasRoom; at++) {
    hasRoom = slow.client.send(loop.slabOf(piece), 0, piece.length)
    await turns(1)
  }
  assert.equal(hasRoom, false)
  await turns()
  const before = slow.received.bytes
  assert.equal(before, 0)
  sendText(quick.client, 'still here')
  await turns()
  assert.equal(quick.received.text, 'still here')
  slow.server.resume()
  await turns()
  assert.equal(slow.sent.hasDrained, true)
  assert.ok(slow.received.bytes > streamWindowBytes)
})

test('all frames of a turn leave in one write, and none while a write is on its way', async () => {
  const wire = new HeldChannel()
  const tunnel = new Tunnel(
    { loop, channel: wire, isDialler: true, traffic: new PeerTraffic() },
    silent,
  )
  for (let at = 0; at < 5; at++) tunnel.dial(request, new Recorder())
  await turns()
  assert.equal(wire.writes.length, 1)
  tunnel.dial(request, new Recorder())
  tunnel.dial(request, new Recorder())
  await turns()
  assert.equal(wire.writes.length, 1)
  tunnel.written()
  assert.equal(wire.writes.length, 2)
  assert.deepEqual(
    wire.frames().map((frame) => frame.stream),
    [1, 2, 3, 4, 5, 6, 7],
  )
})

test('no stream takes more than its share of a write', async () => {
  const wire = new HeldChannel()
  const { tunnel, streams } = offered(wire, 2)
  for (const stream of streams) stream.accept()
  const [greedy, modest] = streams
  assert.ok(greedy !== undefined && modest !== undefined)
  const piece = new Uint8Array(200 * 1024)
  greedy.send(loop.slabOf(piece), 0, piece.length)
  sendText(modest, 'mine')
  await turns()
  const data = wire.frames().filter((frame) => frame.type === frameType.data)
  assert.deepEqual(
    data.map((frame) => [frame.stream, frame.payload.length]),
    [
      [1, 64 * 1024],
      [2, 4],
    ],
  )
  tunnel.written()
  assert.equal(wire.writes.length, 2)
})

const violations: Readonly<Record<string, readonly Uint8Array[]>> = {
  noise: [Buffer.from('GET / HTTP/1.1\r\n\r\n')],
  'an OPEN of a number used before': [openFrame(2), openFrame(2)],
  'an OPEN that goes back': [openFrame(2), openFrame(1)],
  'an OPEN that cannot be read': [encodeTunnelFrame(1, frameType.open, new Uint8Array(40))],
  'DATA for a stream never opened': [data(9, 1)],
  'DATA before the task has accepted': [openFrame(1), data(1, 1)],
  'READY from the side that asked': [openFrame(1), encodeTunnelFrame(1, frameType.ready)],
  'GONE from the side that asked': [openFrame(1), encodeTunnelFrame(1, frameType.gone)],
  'DRAIN from the side that asks': [taskFrame(frameType.drain, 'task-a')],
  'DROPPED of something that is no task': [taskFrame(frameType.dropped, 'task a')],
  'a frame that says it is huge': [Uint8Array.of(0, 0, 0, 1, frameType.data, 0xff, 0xff, 0xff)],
  'a type that nobody knows': [encodeTunnelFrame(1, 99 as FrameType)],
  'a PING on a stream': [encodeTunnelFrame(1, frameType.ping, encodeCount(1))],
  'DATA for the connection itself': [data(0, 1)],
  'DATA on a flow of datagrams': [openFlowFrame(1), data(1, 1)],
  'a datagram before the task has accepted': [openFlowFrame(1), datagram(1, 5)],
  'a datagram on a stream': [openFrame(1), datagram(1, 5)],
  'credit for a flow': [openFlowFrame(1), encodeTunnelFrame(1, frameType.credit, encodeCount(1))],
  'credit beyond the window': [
    openFrame(1),
    encodeTunnelFrame(1, frameType.credit, encodeCount(0xffffffff)),
  ],
}

for (const [name, frames] of Object.entries(violations)) {
  test(`${name} ends the tunnel`, () => {
    const wire = new HeldChannel()
    const { tunnel, gone, violations } = offered(wire, 0)
    for (const frame of frames) tunnel.receive(frame)
    assert.equal(gone.length, 1)
    assert.deepEqual(violations, [true])
    assert.equal(wire.isDestroyed, true)
    assert.equal(tunnel.openStreams, 0)
  })
}

test('more DATA than there was credit for ends the tunnel', () => {
  const wire = new HeldChannel()
  const { tunnel, streams, gone } = offered(wire, 1)
  streams[0]?.accept()
  for (let at = 0; at < 4; at++) tunnel.receive(data(1, 64 * 1024))
  assert.deepEqual(gone, [])
  tunnel.receive(data(1, 1))
  assert.deepEqual(gone, ['more DATA than there was credit for'])
})

test('DATA after FIN, and FIN twice, end the tunnel', () => {
  for (const last of [data(1, 1), encodeTunnelFrame(1, frameType.fin)]) {
    const { tunnel, streams, gone } = offered(new HeldChannel(), 1)
    streams[0]?.accept()
    tunnel.receive(encodeTunnelFrame(1, frameType.fin))
    tunnel.receive(last)
    assert.equal(gone.length, 1)
  }
})

test('a flood of OPEN is refused beyond the limit, and given up when nobody reads', async () => {
  const wire = new HeldChannel()
  const limits = { ...tunnelLimits, streams: 10, controlBytes: 400, controlBytesLimit: 4000 }
  const { tunnel, streams, gone } = offered(wire, 0, limits)
  for (let id = 1; id <= 30; id++) tunnel.receive(openFrame(id))
  assert.equal(streams.length, 10)
  await turns()
  const resets = wire.frames().filter((frame) => frame.type === frameType.reset)
  assert.equal(resets.length, 20)
  // The write stays on its way: what is answered from here on waits in memory.
  for (let id = 31; id <= 130; id++) tunnel.receive(openFrame(id))
  assert.equal(wire.isPaused, true)
  assert.deepEqual(gone, [])
  for (let id = 131; id <= 1000 && gone.length === 0; id++) tunnel.receive(openFrame(id))
  assert.deepEqual(gone, ['the peer sends, but does not read'])
})

test('a peer that goes on opening what there is no room for is given up, though it reads', async () => {
  const wire = new HeldChannel()
  const { tunnel, gone, violations } = offered(wire, 0, {
    ...tunnelLimits,
    streams: 10,
    refusals: 100,
  })
  for (let id = 1; id <= 110; id++) {
    tunnel.receive(openFrame(id))
    await turns(1)
    tunnel.written()
  }
  assert.deepEqual(gone, [])
  tunnel.receive(openFrame(111))
  assert.deepEqual([gone, violations], [['a flood of OPEN'], [true]])
})

test('flows have a room of their own: inventing senders crowds out no stream', () => {
  const limits = { ...tunnelLimits, streams: 2, flows: 3 }
  const { tunnel, streams, flows } = offered(new HeldChannel(), 0, limits)
  for (let id = 1; id <= 5; id++) tunnel.receive(openFlowFrame(id))
  tunnel.receive(openFrame(6))
  assert.deepEqual([flows.length, streams.length], [3, 1])
  flows[0]?.close()
  tunnel.receive(openFlowFrame(7))
  assert.deepEqual([flows.length, tunnel.openStreams, tunnel.openFlows], [4, 1, 3])
})

test('datagrams keep their borders and their order, and what has no room is dropped', async () => {
  const wire = new HeldChannel()
  const { tunnel, flows } = offered(wire, 0)
  tunnel.receive(openFlowFrame(1))
  const [flow] = flows
  assert.ok(flow !== undefined)
  flow.accept()
  await turns()
  // A write is on its way: from here on everything waits.
  const sent = Array.from({ length: 1000 }, (_, at) => flow.send(Buffer.from(`${at}`)))
  const kept = sent.filter((isSent) => isSent).length
  assert.ok(kept > 10 && kept < 1000, String(kept))
  assert.equal(sent.lastIndexOf(true), kept - 1)
  for (let at = 0; at < 50; at++) tunnel.written()
  const texts = wire
    .frames()
    .filter((frame) => frame.type === frameType.datagram)
    .map((frame) => Buffer.from(frame.payload).toString())
  assert.deepEqual(
    texts,
    Array.from({ length: kept }, (_, at) => String(at)),
  )
  assert.equal(flow.send(Buffer.from('again')), true)
})

test('frames may come in any pieces, down to single bytes', () => {
  const { tunnel, streams, gone } = offered(new HeldChannel(), 1)
  const [stream] = streams
  assert.ok(stream !== undefined)
  const heard = new Recorder(stream)
  stream.accept()
  const bytes = Buffer.concat([textFrame(1, 'hello '), textFrame(1, 'world'), data(1, 5000)])
  for (let at = 0; at < bytes.length; at++) tunnel.receive(bytes.subarray(at, at + 1))
  assert.equal(heard.text, 'hello world')
  assert.equal(heard.bytes, 5011)
  assert.deepEqual(gone, [])
})

test('a stream that waits holds its own bytes, not those of its neighbours', () => {
  const { tunnel, streams } = offered(new HeldChannel(), 2)
  for (const stream of streams) stream.accept()
  const [waiting, reading] = streams
  assert.ok(waiting !== undefined && reading !== undefined)
  reading.resume()
  const chunk = Buffer.concat([textFrame(1, 'small'), data(2, 60_000)])
  tunnel.receive(new Uint8Array(chunk).subarray())
  let held = 0
  waiting.setHandler({
    onReceive: (_end, slab) => {
      held = loop.memory(slab).buffer.byteLength
      loop.release(slab)
    },
    onEnd: () => {},
    onDrained: () => {},
    onClosed: () => {},
  })
  waiting.resume()
  assert.equal(held, 5)
})

test('frames for a stream that was reset here are ignored', () => {
  const { tunnel, streams, gone } = offered(new HeldChannel(), 1)
  streams[0]?.accept()
  streams[0]?.reset()
  tunnel.receive(data(1, 100))
  tunnel.receive(encodeTunnelFrame(1, frameType.fin))
  assert.deepEqual(gone, [])
})

test('a lost channel resets every stream, once', async () => {
  const { dialler, offers } = pair()
  const [first, second] = await openTwo(dialler.tunnel, offers)
  dialler.tunnel.lost('cable')
  dialler.tunnel.lost('cable')
  assert.deepEqual([first.sent.cause, second.sent.cause], ['reset', 'reset'])
  assert.deepEqual(dialler.gone, ['cable'])
})

test('PING is answered with PONG', async () => {
  const { dialler } = pair()
  dialler.tunnel.ping(42)
  await turns()
  assert.deepEqual(dialler.pongs, [42])
})

test('DRAIN is answered with DROPPED, after everything that was dialled before it', async () => {
  const { dialler, acceptor, offers } = pair()
  dialler.tunnel.dial(request, new Recorder())
  acceptor.tunnel.drain('task-a')
  await turns()
  assert.deepEqual(dialler.drains, ['task-a'])
  assert.deepEqual(acceptor.drops, ['task-a'])
  assert.equal(offers.length, 1)
})

interface Side {
  readonly tunnel: Tunnel
  readonly gone: string[]
  readonly pongs: number[]
  readonly drains: string[]
  readonly drops: string[]
}

interface Offer {
  readonly request: DialRequest
  readonly stream: TunnelStream
}

/** Two tunnels whose channels are each other. */
function pair(): { dialler: Side; acceptor: Side; offers: Offer[] } {
  const offers: Offer[] = []
  const side = (isDialler: boolean, other: () => Side): Side => {
    const made: Side = {
      gone: [],
      pongs: [],
      drains: [],
      drops: [],
      tunnel: new Tunnel(
        {
          loop,
          isDialler,
          traffic: new PeerTraffic(),
          channel: new PairedChannel(
            () => made.tunnel,
            () => other().tunnel,
          ),
        },
        {
          ...silent,
          onOffer: (request, stream) => offers.push({ request, stream }),
          onPong: (count) => made.pongs.push(count),
          onDrain: (task) => made.drains.push(task),
          onDropped: (task) => made.drops.push(task),
          onGone: (because) => made.gone.push(because),
        },
      ),
    }
    return made
  }
  const dialler: Side = side(true, () => acceptor)
  const acceptor: Side = side(false, () => dialler)
  return { dialler, acceptor, offers }
}

/** The accepting side of a tunnel to which `count` streams were opened by hand. */
function offered(wire: HeldChannel, count: number, limits: TunnelLimits = tunnelLimits) {
  const streams: TunnelStream[] = []
  const flows: TunnelFlow[] = []
  const gone: string[] = []
  const violations: boolean[] = []
  const tunnel = new Tunnel(
    { loop, channel: wire, isDialler: false, traffic: new PeerTraffic(), limits },
    {
      ...silent,
      onOffer: (_, stream) => streams.push(stream),
      onOfferFlow: (_, flow) => flows.push(flow),
      onGone: (because, isViolation) => {
        gone.push(because)
        violations.push(isViolation)
      },
    },
  )
  for (let id = 1; id <= count; id++) tunnel.receive(openFrame(id))
  return { tunnel, streams, flows, gone, violations }
}

interface OpenPair {
  readonly client: End
  readonly server: End
  readonly sent: Recorder
  readonly received: Recorder
}

async function openTwo(tunnel: Tunnel, offers: Offer[]): Promise<[OpenPair, OpenPair]> {
  const pairs: OpenPair[] = []
  for (let at = 0; at < 2; at++) {
    const sent = new Recorder()
    tunnel.dial(request, sent)
    await turns()
    const server = offers[at]?.stream
    assert.ok(server !== undefined)
    const received = new Recorder(server)
    server.accept()
    await turns()
    pairs.push({ client: sent.end, server, sent, received })
  }
  return pairs as [OpenPair, OpenPair]
}

function openFrame(id: number): Uint8Array {
  return encodeTunnelFrame(id, frameType.open, encodeOpen(request))
}

function openFlowFrame(id: number): Uint8Array {
  return encodeTunnelFrame(id, frameType.open, encodeOpen({ ...request, protocol: 'udp' }))
}

function datagram(id: number, bytes: number): Uint8Array {
  return encodeTunnelFrame(id, frameType.datagram, new Uint8Array(bytes))
}

function textFrame(id: number, text: string): Uint8Array {
  return encodeTunnelFrame(id, frameType.data, Buffer.from(text))
}

function taskFrame(type: FrameType, task: string): Uint8Array {
  return encodeTunnelFrame(0, type, encodeTask(task))
}

function data(id: number, bytes: number): Uint8Array {
  return encodeTunnelFrame(id, frameType.data, new Uint8Array(bytes))
}

function sendText(end: End, text: string): void {
  const bytes = Buffer.from(text)
  end.send(loop.slabOf(bytes), 0, bytes.length)
}

async function turns(count = 12): Promise<void> {
  for (let at = 0; at < count; at++) await new Promise((resolve) => setImmediate(resolve))
}

const silent: TunnelListener = {
  onOffer: () => {},
  onOfferFlow: () => {},
  onPing: () => {},
  onPong: () => {},
  onDrain: () => {},
  onDropped: () => {},
  onGone: () => {},
}

class PairedChannel implements SecureChannel {
  readonly #own: () => Tunnel
  readonly #other: () => Tunnel

  constructor(own: () => Tunnel, other: () => Tunnel) {
    this.#own = own
    this.#other = other
  }

  write(bytes: Uint8Array): void {
    setImmediate(() => {
      this.#other().receive(bytes)
      this.#own().written()
    })
  }

  pause(): void {}

  resume(): void {}

  destroy(): void {}
}

/** Keeps what is written, and never finishes a write by itself. */
class HeldChannel implements SecureChannel {
  readonly writes: Uint8Array[] = []
  isDestroyed = false
  isPaused = false

  frames(): Frame[] {
    const decoder = new FrameDecoder()
    const frames: Frame[] = []
    for (const bytes of this.writes) decoder.push(bytes, (frame) => frames.push(frame))
    return frames
  }

  write(bytes: Uint8Array): void {
    this.writes.push(bytes)
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }

  destroy(): void {
    this.isDestroyed = true
  }
}

/** One end's events; reads from the start. */
class Recorder implements EndHandler, DialHandler {
  #end: End | null = null
  hasOpened = false
  hasEnded = false
  hasDrained = false
  failure: DialFailure | null = null
  cause: CloseCause | null = null
  text = ''
  bytes = 0

  constructor(end: End | null = null) {
    if (end !== null) this.#hear(end)
  }

  get end(): End {
    assert.ok(this.#end !== null)
    return this.#end
  }

  onOpen(end: End): void {
    this.hasOpened = true
    this.#hear(end)
  }

  onFailed(failure: DialFailure): void {
    this.failure = failure
  }

  onReceive(_end: End, slab: Slab, offset: number, length: number): void {
    const bytes = loop.memory(slab).subarray(offset, offset + length)
    if (length < 1000) this.text += Buffer.from(bytes).toString()
    this.bytes += length
    loop.release(slab)
  }

  onEnd(): void {
    this.hasEnded = true
  }

  onDrained(): void {
    this.hasDrained = true
  }

  onClosed(_end: End, cause: CloseCause): void {
    this.cause = cause
  }

  #hear(end: End): void {
    this.#end = end
    end.setHandler(this)
    end.resume()
  }
}
