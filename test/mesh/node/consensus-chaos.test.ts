import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../../../mesh/base/random.ts'
import { ConsensusCluster, createService, has, idOf } from './consensus-cluster.ts'

const names = ['ann', 'bob', 'cyd']

/** Faults and writes at random; the services whose creation was acknowledged. */
async function runChaos(cluster: ConsensusCluster, random: SeededRandom): Promise<string[]> {
  const acknowledged: string[] = []
  const down = new Set<string>()
  for (let step = 0; step < 40; step++) {
    const name = names[random.below(names.length)] ?? 'ann'
    switch (random.below(6)) {
      case 0:
        if (down.has(name)) break
        cluster.crash(name, random.below(200))
        down.add(name)
        break
      case 1:
        for (const lost of down) await cluster.start(lost)
        down.clear()
        break
      case 2:
        cluster.network.partition([idOf(name)], names.filter((n) => n !== name).map(idOf))
        break
      case 3:
        cluster.network.heal()
        break
      default:
        write(cluster, { through: name, service: `s${step}` }, acknowledged)
    }
    await cluster.clock.run(random.below(700))
  }
  for (const lost of down) await cluster.start(lost)
  cluster.network.heal()
  return acknowledged
}

function write(
  cluster: ConsensusCluster,
  { through, service }: { through: string; service: string },
  acknowledged: string[],
): void {
  const manager = cluster.managers.get(through)
  if (manager === undefined) return
  const transaction = { request: service, atMs: 1, changes: [createService(service)] }
  manager.consensus.propose(transaction).then(
    (result) => {
      assert.equal(result.kind, 'applied')
      acknowledged.push(service)
    },
    () => {
      // Without a leader, or of unknown outcome: it promised nothing.
    },
  )
}

test('over seeds of crashes, torn writes and partitions no acknowledged write is lost', async () => {
  let acknowledgedInAll = 0
  for (let seed = 1; seed <= 6; seed++) {
    const cluster = await ConsensusCluster.founded(names, { seed, snapshotEvery: 15 })
    const acknowledged = await runChaos(cluster, new SeededRandom(seed))
    const leader = await cluster.agreedLeader()
    await cluster.settled(cluster.consensus(leader).barrier())
    await cluster.clock.run(2000)
    const tables = names.map((name) => cluster.consensus(name).catalog().list('service'))
    for (const table of tables) assert.deepEqual(table, tables[0], `tables differ, seed ${seed}`)
    for (const service of acknowledged) {
      assert.ok(has(cluster.consensus(leader).catalog(), service), `${service}, seed ${seed}`)
    }
    acknowledgedInAll += acknowledged.length
    await cluster.stop()
  }
  assert.ok(acknowledgedInAll > 30, `${acknowledgedInAll} acknowledged: too few to mean anything`)
})
