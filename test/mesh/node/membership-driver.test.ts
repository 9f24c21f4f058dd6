import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeId } from '../../../mesh/base/ids.ts'
import { silentLog } from '../../../mesh/base/log.ts'
import { SeededRandom } from '../../../mesh/base/random.ts'
import { MembershipDriver } from '../../../mesh/node/membership-driver.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { MemoryNetwork } from '../../support/memory-network.ts'

const nameOf = (id: string): string => id.slice(0, 1)
const seedOf = (name: string) => ({
  id: nodeId(name.padEnd(25, '0')),
  meta: {
    name,
    gossipAddress: `${name}:7946`,
    controlAddress: `${name}:2377`,
    dataPathAddress: `${name}:4789`,
  },
})

function cluster(names: readonly string[], eventLoopDelayMs?: () => number) {
  const clock = new FakeClock()
  const random = new SeededRandom(11)
  const network = new MemoryNetwork({ clock, random })
  const seeds = names.map(seedOf)
  const drivers = seeds.map(({ id, meta }) => {
    const { datagrams, transport } = network.attach(id, meta.gossipAddress)
    const delay = eventLoopDelayMs === undefined ? {} : { eventLoopDelayMs }
    const deps = { datagrams, transport, clock, random, log: silentLog, ...delay }
    return new MembershipDriver(deps, { self: id, meta })
  })
  return { clock, network, seeds, drivers }
}

test('a watcher gets everybody first, then what changes, and nothing after it has ended', () => {
  const { clock, drivers, seeds } = cluster(['a', 'b'])
  const [a, b] = drivers
  assert.ok(a !== undefined && b !== undefined)
  const seen: string[] = []
  const end = a.watch((members) => {
    seen.push(members.map(({ id, state }) => `${nameOf(id)} ${state}`).join(', '))
  })
  assert.deepEqual(seen, ['a alive'])
  a.join(seeds)
  assert.deepEqual(seen, ['a alive', 'b alive'])
  clock.advance(1000)
  end()
  b.stop()
  clock.advance(5000)
  assert.ok(!seen.join().includes('dead'))
  assert.equal(a.members().find(({ id }) => nameOf(id) === 'b')?.state, 'dead')
})

test('who knows one member gets to know all, with what they say of themselves', () => {
  const { clock, drivers, seeds } = cluster(['a', 'b', 'c', 'd'])
  for (const [at, driver] of drivers.entries()) driver.join(seeds.slice(Math.max(0, at - 1), at))
  clock.advance(3000)
  for (const driver of drivers) {
    const known = driver.members().toSorted((left, right) => (left.id < right.id ? -1 : 1))
    assert.deepEqual(
      known.map(({ id, meta }) => ({ id, meta })),
      seeds,
    )
  }
})

test('a late event loop shows in the health of the node', () => {
  const { clock, drivers } = cluster(['a'], () => 450)
  clock.advance(1000)
  assert.equal(drivers[0]?.health, 2)
})

test('packets that are none are survived', () => {
  const { clock, network, drivers } = cluster(['a'])
  const stranger = network.attach(nodeId('z'.repeat(25)), 'z:1')
  for (const bytes of [[], [0], [0x5b, 0x5d]]) {
    stranger.datagrams.send('a:7946', Uint8Array.from(bytes))
  }
  clock.advance(100)
  assert.equal(drivers[0]?.members().length, 1)
})

test('a stopped driver says nothing any more', () => {
  const { clock, network, drivers, seeds } = cluster(['a'])
  drivers[0]?.join([seedOf('b')])
  const heard: string[] = []
  network.attach(seedOf('b').id, 'b:7946').datagrams.onPacket((from) => heard.push(from))
  clock.advance(1000)
  assert.ok(heard.length > 0)
  drivers[0]?.stop()
  clock.advance(10)
  heard.length = 0
  drivers[0]?.join(seeds)
  clock.advance(5000)
  assert.deepEqual(heard, [])
})

test('a name that leaves no room in a packet is refused at the start', () => {
  const deps = { ...cluster([]), random: new SeededRandom(1), log: silentLog }
  const { datagrams, transport } = deps.network.attach(seedOf('a').id, 'a:1')
  const { id: self, meta } = seedOf('a')
  const create = (name: string) =>
    new MembershipDriver({ ...deps, datagrams, transport }, { self, meta: { ...meta, name } })
  assert.doesNotThrow(() => create('n'.repeat(253)).stop())
  assert.throws(() => create('ä'.repeat(400)), /membership\/meta-too-long/)
})
