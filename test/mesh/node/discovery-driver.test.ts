import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json } from '../../../mesh/base/json.ts'
import { nodeId, type NodeId } from '../../../mesh/base/ids.ts'
import { silentLog } from '../../../mesh/base/log.ts'
import { SeededRandom } from '../../../mesh/base/random.ts'
import { DiscoveryDriver } from '../../../mesh/node/discovery-driver.ts'
import { recordsProtocol, recordsTopic } from '../../../mesh/wire/discovery-message.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { MemoryNetwork, type MemoryHost } from '../../support/memory-network.ts'

const idOf = (at: number): NodeId => nodeId(`node${at}`.padEnd(25, 'x'))

class Cluster {
  readonly clock = new FakeClock()
  readonly network: MemoryNetwork
  readonly removed = new Set<NodeId>()
  readonly drivers: DiscoveryDriver[] = []
  readonly hosts: MemoryHost[] = []
  readonly #random = new SeededRandom(5)

  constructor(nodes: number) {
    this.network = new MemoryNetwork({ clock: this.clock, random: this.#random })
    const targets = Array.from({ length: nodes }, (_, at) => idOf(at))
    for (const at of targets.keys()) this.start(at, targets)
  }

  start(at: number, targets: readonly NodeId[]): void {
    const self = idOf(at)
    const host = this.network.attach(self, `n${at}:1`)
    this.hosts[at] = host
    this.drivers[at] = new DiscoveryDriver(
      {
        transport: host.transport,
        clock: this.clock,
        random: this.#random,
        log: silentLog,
        isMember: (node) => !this.removed.has(node),
      },
      { self, epoch: this.clock.nowMs() },
    )
    host.transport.setTargets(targets.map((node) => ({ node, peerId: node, address: node })))
  }

  driver(at: number): DiscoveryDriver {
    return this.drivers[at] as DiscoveryDriver
  }

  /** What that node knows of another. */
  known(at: number, of: number): Record<string, Json> {
    const records = this.driver(at)
      .records()
      .filter(({ node }) => node === idOf(of))
    return Object.fromEntries(records.map(({ key, value }) => [key, value]))
  }
}

test('what one node says all know within 100 ms, in one message for many words', async () => {
  const cluster = new Cluster(3)
  await cluster.clock.run(3000)
  let messages = 0
  cluster.hosts[2]?.transport.onPublished(recordsTopic, () => messages++)
  for (let at = 0; at < 50; at++) cluster.driver(0).publish(`task/${at}`, { state: 'running' })
  await cluster.clock.run(100)
  assert.equal(Object.keys(cluster.known(1, 0)).length, 50)
  assert.equal(messages, 1)
})

test('watchers see what is known, then every change once, own ones at once', async () => {
  const cluster = new Cluster(2)
  await cluster.clock.run(1000)
  cluster.driver(0).publish('x', 1)
  const batches: string[][] = [[], []]
  for (const [at, seen] of batches.entries()) {
    cluster.driver(at).watch((records) => {
      seen.push(records.map(({ key, value }) => `${key}=${JSON.stringify(value)}`).join())
    })
  }
  assert.deepEqual(batches, [['x=1'], ['']])
  cluster.driver(0).publish('x', 2)
  assert.deepEqual(batches[0], ['x=1', 'x=2'])
  cluster.driver(0).publish('x', null)
  await cluster.clock.run(15_000)
  assert.deepEqual(batches, [
    ['x=1', 'x=2', 'x=null'],
    ['', 'x=null'],
  ])
})

test('lost broadcasts are noticed by the next one and repaired from the writer', async () => {
  const cluster = new Cluster(3)
  await cluster.clock.run(3000)
  cluster.network.lossPercent = 100
  cluster.driver(0).publish('lost', 1)
  await cluster.clock.run(200)
  cluster.network.lossPercent = 0
  assert.deepEqual(cluster.known(1, 0), {})
  cluster.driver(0).publish('next', 2)
  await cluster.clock.run(1000)
  assert.deepEqual(cluster.known(1, 0), { lost: 1, next: 2 })
})

test('a lost last broadcast is found by comparing, within a few periods', async () => {
  const cluster = new Cluster(4)
  await cluster.clock.run(3000)
  cluster.network.lossPercent = 100
  cluster.driver(0).publish('lost', 1)
  await cluster.clock.run(60_000)
  for (const at of [1, 2, 3]) assert.deepEqual(cluster.known(at, 0), { lost: 1 })
})

test('both sides of a partition tell each other everything when it heals', async () => {
  const cluster = new Cluster(4)
  await cluster.clock.run(3000)
  cluster.network.partition([idOf(0), idOf(1)], [idOf(2), idOf(3)])
  for (const at of [0, 1, 2, 3]) {
    for (let key = 0; key < 300; key++) cluster.driver(at).publish(`k${key}`, 'v'.repeat(500))
  }
  await cluster.clock.run(5000)
  assert.deepEqual(cluster.known(0, 3), {})
  cluster.network.heal()
  await cluster.clock.run(2000)
  for (const at of [0, 1, 2, 3]) assert.equal(cluster.driver(at).records().length, 1200)
})

test('after a restart the old words stay a moment, then only the new ones', async () => {
  const cluster = new Cluster(3)
  await cluster.clock.run(1000)
  cluster.driver(0).publish('adopted', 1)
  cluster.driver(0).publish('lost', 1)
  await cluster.clock.run(1000)
  cluster.driver(0).stop()
  cluster.network.crash(idOf(0), 'refused')
  await cluster.clock.run(3000)
  assert.deepEqual(cluster.known(1, 0), { adopted: 1, lost: 1 })
  cluster.start(0, [idOf(1), idOf(2)])
  cluster.driver(0).publish('adopted', 2)
  await cluster.clock.run(500)
  assert.deepEqual(cluster.known(1, 0), { adopted: 2, lost: 1 })
  await cluster.clock.run(5000)
  assert.deepEqual(cluster.known(1, 0), { adopted: 2 })
  assert.deepEqual(cluster.known(0, 0), { adopted: 2 })
})

test('records of a removed node go everywhere and no comparison brings them back', async () => {
  const cluster = new Cluster(3)
  await cluster.clock.run(1000)
  cluster.driver(2).publish('x', 1)
  await cluster.clock.run(1000)
  cluster.removed.add(idOf(2))
  await cluster.clock.run(1500)
  for (const at of [0, 1]) assert.deepEqual(cluster.known(at, 2), {})
  await cluster.clock.run(30_000)
  for (const at of [0, 1]) assert.deepEqual(cluster.known(at, 2), {})
})

test('two peers that disagree about a member do not go on comparing for ever', async () => {
  const cluster = new Cluster(2)
  await cluster.clock.run(3000)
  let questions = 0
  const { transport } = cluster.hosts[1] as MemoryHost
  const request = transport.request.bind(transport)
  transport.request = (...asked) => {
    questions++
    return request(...asked)
  }
  // Node 1's records are refused by node 0, whose own records node 1 takes.
  cluster.removed.add(idOf(1))
  cluster.driver(1).publish('x', 1)
  cluster.driver(0).publish('x', 1)
  await cluster.clock.run(60_000)
  assert.ok(questions > 0 && questions < 40, `${questions} questions in a minute`)
})

test('bytes that are no message are survived and refused', async () => {
  const cluster = new Cluster(2)
  await cluster.clock.run(1000)
  const { transport } = cluster.hosts[1] as MemoryHost
  transport.publish(recordsTopic, Uint8Array.of(1, 2, 3))
  const refused = assert.rejects(
    transport.request(idOf(0), recordsProtocol, Uint8Array.of(0x7b), 1000),
  )
  await cluster.clock.run(100)
  await refused
  cluster.driver(1).publish('x', 1)
  await cluster.clock.run(100)
  assert.deepEqual(cluster.known(0, 1), { x: 1 })
})
