import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeId, type NodeId } from '../../mesh/base/ids.ts'
import { silentLog } from '../../mesh/base/log.ts'
import { SeededRandom } from '../../mesh/base/random.ts'
import type { DiscoveryOptions } from '../../mesh/discovery/options.ts'
import { DiscoveryDriver } from '../../mesh/node/discovery-driver.ts'
import { FakeClock, settleMicrotasks } from '../support/fake-clock.ts'
import { MemoryNetwork } from '../support/memory-network.ts'

interface Given {
  readonly nodes: number
  readonly seed: number
  readonly lossPercent: number
  readonly discovery?: Partial<DiscoveryOptions>
}

const name = (id: NodeId, at: number): string => `task/${id.slice(0, 6)}-${at}`

/** Every node says what its tasks do; broadcasts are lost now and then. */
class RecordCluster {
  readonly clock = new FakeClock(settleMicrotasks)
  readonly network: MemoryNetwork
  readonly ids: readonly NodeId[]
  /** The longest frame that a comparison took, asked or answered. */
  longestFrame = 0
  syncBytes = 0
  readonly #drivers = new Map<NodeId, DiscoveryDriver>()
  readonly #random: SeededRandom
  readonly #given: Given

  constructor(given: Given) {
    const { nodes, seed, lossPercent } = given
    this.#given = given
    this.#random = new SeededRandom(seed)
    const random = this.#random
    // Broadcasts alone get lost: see MemoryNetwork.
    this.network = new MemoryNetwork({ clock: this.clock, random, lossPercent, delayMs: 2 })
    this.ids = Array.from({ length: nodes }, (_, at) => nodeId(`node${at}`.padEnd(25, 'x')))
    for (const id of this.ids) this.start(id)
  }

  driver(id: NodeId): DiscoveryDriver {
    return this.#drivers.get(id) as DiscoveryDriver
  }

  /** With an empty disk, as discovery always begins. */
  start(id: NodeId): void {
    this.#drivers.get(id)?.stop()
    const { transport } = this.network.attach(id, `${id}:1`)
    const count = (frame: Uint8Array): Uint8Array => {
      this.longestFrame = Math.max(this.longestFrame, frame.length)
      this.syncBytes += frame.length
      return frame
    }
    const { discovery } = this.#given
    const driver = new DiscoveryDriver(
      {
        transport: Object.assign(Object.create(transport) as typeof transport, {
          request: async (to: NodeId, protocol: string, frame: Uint8Array, timeoutMs: number) =>
            count(await transport.request(to, protocol, count(frame), timeoutMs)),
          onRequest: transport.onRequest.bind(transport),
          onPublished: transport.onPublished.bind(transport),
          publish: transport.publish.bind(transport),
          connected: transport.connected.bind(transport),
          onConnection: transport.onConnection.bind(transport),
        }),
        clock: this.clock,
        random: this.#random,
        log: silentLog,
        isMember: () => true,
      },
      { self: id, epoch: this.clock.nowMs(), ...(discovery !== undefined && { discovery }) },
    )
    this.#drivers.set(id, driver)
    transport.setTargets(this.ids.map((node) => ({ node, peerId: node, address: node })))
  }

  /** Says so many things about each node, in bursts. */
  async sayAll(records: number, overMs: number): Promise<void> {
    const bursts = 4
    const value = { state: 'running', serving: true, targets: { '80': '127.0.0.1:49152' } }
    for (let burst = 0; burst < bursts; burst++) {
      for (const [id, driver] of this.#drivers) {
        for (let at = burst; at < records; at += bursts) {
          driver.publish(name(id, at), { ...value, generation: at })
        }
      }
      await this.clock.run(overMs / bursts)
    }
  }

  /** What that node holds, in words that are the same for the same. */
  heldBy(id: NodeId): string {
    return this.driver(id)
      .records()
      .map(({ node, epoch, version, key }) => `${node} ${epoch} ${version} ${key}`)
      .toSorted()
      .join('\n')
  }

  disagreeing(): number {
    const [first] = this.ids
    const expected = this.heldBy(first as NodeId)
    return this.ids.filter((id) => this.heldBy(id) !== expected).length
  }

  count(id: NodeId): number {
    return this.driver(id).records().length
  }
}

test('10,000 records of 100 nodes are the same everywhere 3 s after the last change', async (t) => {
  const cluster = new RecordCluster({ nodes: 100, seed: 1, lossPercent: 2 })
  await cluster.clock.run(3000)
  await cluster.sayAll(100, 800)
  await cluster.clock.run(3000)
  for (const id of cluster.ids) assert.equal(cluster.count(id), 10_000)
  assert.equal(cluster.disagreeing(), 0)

  // One that comes back with nothing gets it all, in portions.
  cluster.longestFrame = 0
  const returned = cluster.ids[42] as NodeId
  cluster.start(returned)
  await cluster.clock.run(3000)
  assert.equal(cluster.count(returned), 9900)
  assert.ok(cluster.longestFrame < 1_200_000, `${cluster.longestFrame} bytes`)
  t.diagnostic(`longest frame of a comparison: ${cluster.longestFrame} bytes`)

  // Where all agree, comparing is a short question.
  await cluster.clock.run(10_000)
  cluster.syncBytes = 0
  await cluster.clock.run(10_000)
  const perNode = cluster.syncBytes / 100 / 10
  t.diagnostic(`comparing costs ${perNode.toFixed(0)} bytes a second and node when nothing changes`)
  assert.ok(perNode < 300, `${perNode} B/s`)
})

test('who was away for longer than withdrawals are told comes back to what is said now', async () => {
  const cluster = new RecordCluster({
    nodes: 6,
    seed: 2,
    lossPercent: 0,
    discovery: { tombstoneMs: 5000 },
  })
  await cluster.clock.run(3000)
  await cluster.sayAll(20, 400)
  await cluster.clock.run(2000)
  const [away, ...others] = cluster.ids
  assert.ok(away !== undefined)
  cluster.network.partition([away], others)
  for (const id of others) {
    for (let at = 0; at < 10; at++) cluster.driver(id).publish(name(id, at), null)
  }
  cluster.driver(away).publish('task/new', { state: 'running' })
  await cluster.clock.run(60_000)
  assert.equal(cluster.count(away), 121, 'nobody has told it')
  cluster.network.heal()
  await cluster.clock.run(3000)
  assert.equal(cluster.disagreeing(), 0)
  assert.equal(cluster.count(away), 5 * 10 + 21)
})
