import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeId } from '../../mesh/base/ids.ts'
import { SeededRandom } from '../../mesh/base/random.ts'
import { FakeClock } from './fake-clock.ts'
import { MemoryNetwork } from './memory-network.ts'

const one = nodeId('1'.repeat(25))
const two = nodeId('2'.repeat(25))
const target = (node: typeof one) => ({ node, peerId: node, address: node })

function pair() {
  const clock = new FakeClock()
  const network = new MemoryNetwork({ clock, random: new SeededRandom(1) })
  const left = network.attach(one, 'a:1')
  const right = network.attach(two, 'b:1')
  const events: string[] = []
  left.transport.onConnection((node, event) => events.push(`${node.slice(0, 1)} ${event}`))
  left.transport.setTargets([target(two)])
  clock.advance(10)
  return { clock, network, left, right, events }
}

test('timers of a fake clock run in the order of their instants, then of their making', () => {
  const clock = new FakeClock()
  const ran: string[] = []
  for (const at of [30, 10, 20, 10]) clock.after(at, () => ran.push(`${at}@${clock.monotonicMs()}`))
  const end = clock.every(15, () => ran.push('tick'))
  clock.advance(30)
  end()
  clock.advance(100)
  assert.deepEqual(ran, ['10@10', '10@10', 'tick', '20@20', '30@30', 'tick'])
})

test('requests are answered, and a silent crash makes them time out', async () => {
  const { clock, network, left, right } = pair()
  right.transport.onRequest('echo', (_, frame) => Promise.resolve(frame))
  const answer = left.transport.request(two, 'echo', Uint8Array.of(7), 500)
  await clock.run(5)
  assert.deepEqual(await answer, Uint8Array.of(7))
  network.crash(two, 'silent')
  const lost = assert.rejects(left.transport.request(two, 'echo', Uint8Array.of(7), 500), {
    fault: { code: 'transport/timeout', node: two, protocol: 'echo' },
  })
  await clock.run(600)
  await lost
})

test('a refused crash breaks the connection and refuses redials until the node is back', () => {
  const { clock, network, events } = pair()
  network.crash(two, 'refused')
  clock.advance(150)
  network.attach(two, 'b:1')
  clock.advance(150)
  assert.deepEqual(events, ['2 up', '2 down', '2 refused', '2 up'])
})

test('a partition breaks connections and stops datagrams; healing brings both back', () => {
  const { clock, network, left, right, events } = pair()
  const heard: string[] = []
  right.datagrams.onPacket((from, packet) => heard.push(`${from} ${packet.join()}`))
  network.partition([one], [two])
  left.datagrams.send('b:1', Uint8Array.of(1))
  clock.advance(300)
  network.heal()
  clock.advance(300)
  left.datagrams.send('b:1', Uint8Array.of(2))
  clock.advance(10)
  assert.deepEqual(events, ['2 up', '2 down', '2 up'])
  assert.deepEqual(heard, ['a:1 2'])
})

test('streams keep their order and end on both sides', async () => {
  const { clock, left, right } = pair()
  const seen: string[] = []
  right.transport.onStream('chat', (stream) => {
    stream.onFrame((frame) => seen.push(frame.join()))
    stream.onClose(() => seen.push('closed'))
  })
  const stream = await left.transport.openStream(two, 'chat')
  stream.send(Uint8Array.of(1))
  stream.send(Uint8Array.of(2))
  stream.close()
  clock.advance(10)
  assert.equal(stream.send(Uint8Array.of(3)), false)
  assert.deepEqual(seen, ['1', '2', 'closed'])
})
