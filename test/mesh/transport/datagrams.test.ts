import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { afterEach, test } from 'node:test'
import { silentLog } from '../../../mesh/base/log.ts'
import { parseHostPort } from '../../../mesh/transport/host-address.ts'
import {
  maxPacketBytes,
  maxPayloadBytes,
  PacketSealer,
} from '../../../mesh/transport/packet-seal.ts'
import { ReplayWindows } from '../../../mesh/transport/replay-window.ts'
import { SealedDatagrams } from '../../../mesh/transport/sealed-datagrams.ts'

const keyOf = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)
const payload = Uint8Array.of(1, 2, 3)

const open: SealedDatagrams[] = []

afterEach(async () => {
  await Promise.all(open.splice(0).map((datagrams) => datagrams.close()))
})

async function datagrams(...keys: Uint8Array[]): Promise<SealedDatagrams> {
  const listen = { host: '127.0.0.1', port: 0 }
  const opened = await SealedDatagrams.open({ listen, keys }, { log: silentLog })
  open.push(opened)
  return opened
}

test('a packet opens for whoever holds the key, and for nobody else', () => {
  const packet = new PacketSealer([keyOf(1)]).seal(payload)
  assert.deepEqual(new PacketSealer([keyOf(1)]).open(packet), payload)
  assert.deepEqual(new PacketSealer([keyOf(2), keyOf(1)]).open(packet), payload)
  assert.equal(new PacketSealer([keyOf(2)]).open(packet), null)
})

test('a packet with any byte changed or cut does not open', () => {
  const packet = new PacketSealer([keyOf(1)]).seal(payload)
  const receiver = new PacketSealer([keyOf(1)])
  for (let at = 0; at < packet.length; at++) {
    const changed = Uint8Array.from(packet)
    changed[at] = (changed[at] ?? 0) ^ 0x80
    assert.equal(receiver.open(changed), null, `byte ${at}`)
    assert.equal(receiver.open(packet.subarray(0, at)), null, `cut at ${at}`)
  }
  assert.deepEqual(receiver.open(packet), payload, 'forgeries do not use up the counter')
})

test('a packet opens once, in any order', () => {
  const sender = new PacketSealer([keyOf(1)])
  const receiver = new PacketSealer([keyOf(1)])
  const packets = Array.from({ length: 50 }, (_, at) => sender.seal(Uint8Array.of(at)))
  for (const packet of packets.toReversed()) assert.ok(receiver.open(packet) !== null)
  for (const packet of packets) assert.equal(receiver.open(packet), null)
})

test('two processes with one key never seal alike', () => {
  const [one, other] = [new PacketSealer([keyOf(1)]), new PacketSealer([keyOf(1)])]
  assert.notDeepEqual(one.seal(payload), other.seal(payload))
})

test('during a key change the new first key seals and the old one still opens', () => {
  const [one, other] = [new PacketSealer([keyOf(1)]), new PacketSealer([keyOf(1)])]
  const before = one.seal(payload)
  one.useKeys([keyOf(2), keyOf(1)])
  assert.equal(other.open(one.seal(payload)), null)
  other.useKeys([keyOf(1), keyOf(2)])
  assert.deepEqual(other.open(one.seal(payload)), payload)
  assert.deepEqual(other.open(before), payload)
})

test('the largest payload fills a packet, and one byte more is a bug', () => {
  const sealer = new PacketSealer([keyOf(1)])
  assert.equal(sealer.seal(new Uint8Array(maxPayloadBytes)).length, maxPacketBytes)
  assert.throws(() => sealer.seal(new Uint8Array(maxPayloadBytes + 1)))
})

test('a replay window forgets packets that are too old, and senders heard least lately', () => {
  const windows = new ReplayWindows(2)
  windows.accept('a', 2000n)
  assert.equal(windows.isFresh('a', 2000n - 1023n), true)
  assert.equal(windows.isFresh('a', 2000n - 1024n), false)
  windows.accept('a', 1999n)
  windows.accept('a', 10_000n)
  assert.equal(windows.isFresh('a', 9999n), true)
  assert.equal(windows.isFresh('a', 10_000n), false)
  windows.accept('b', 1n)
  windows.accept('a', 10_001n)
  windows.accept('c', 1n)
  assert.equal(windows.isFresh('a', 10_001n), false)
  assert.equal(windows.isFresh('b', 1n), true, 'b was heard least lately')
})

test('packets travel over UDP, with the address they came from', async () => {
  const [one, other] = [await datagrams(keyOf(1)), await datagrams(keyOf(1))]
  const received = new Promise<[string, Uint8Array]>((resolve) =>
    other.onPacket((from, packet) => resolve([from, packet])),
  )
  one.send(other.address, payload)
  assert.deepEqual(await received, [one.address, payload])
  assert.equal(other.counters.received, 1)
  one.send('nonsense', payload)
  assert.equal(one.counters.sendErrors, 1)
})

test('foreign, damaged and repeated packets are counted and go no further', async () => {
  const receiver = await datagrams(keyOf(1))
  const bound = parseHostPort(receiver.address)
  assert.ok(bound !== null)
  const packets: Uint8Array[] = []
  const third = new Promise<void>((resolve) =>
    receiver.onPacket((_, packet) => {
      packets.push(packet)
      if (packets.length === 2) resolve()
    }),
  )
  const raw = createSocket('udp4')
  const sealer = new PacketSealer([keyOf(1)])
  const good = sealer.seal(Uint8Array.of(1))
  const sent = [
    good,
    good,
    new PacketSealer([keyOf(9)]).seal(payload),
    Uint8Array.of(1, 2, 3),
    sealer.seal(Uint8Array.of(2)),
  ]
  for (const packet of sent) raw.send(packet, bound.port, bound.host)
  await third
  assert.deepEqual(packets, [Uint8Array.of(1), Uint8Array.of(2)])
  assert.equal(receiver.counters.refused, 3)
  const closed = once(raw, 'close')
  raw.close()
  await closed
})

test('a taken port is said, not retried', async () => {
  const bound = parseHostPort((await datagrams(keyOf(1))).address)
  assert.ok(bound !== null)
  await assert.rejects(
    SealedDatagrams.open({ listen: bound, keys: [keyOf(1)] }, { log: silentLog }),
    /transport\/cannot-listen/,
  )
})
