import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFault } from '../../../mesh/base/mesh-error.ts'
import { CatalogView } from '../../../mesh/catalog/catalog-view.ts'
import type { CatalogDelta } from '../../../mesh/catalog/types.ts'
import { ConsensusCluster, createNode, createService, has, idOf } from './consensus-cluster.ts'

const three = ['ann', 'bob', 'cyd']
const five = [...three, 'dan', 'eve']

function others(cluster: ConsensusCluster, name: string): string[] {
  return [...cluster.managers.keys()].filter((other) => other !== name)
}

const everywhere = (cluster: ConsensusCluster, service: string): boolean =>
  [...cluster.managers.values()].every(({ consensus }) => has(consensus.catalog(), service))

test('a founder leads alone, and its first transaction is there', async () => {
  const cluster = await ConsensusCluster.founded(['ann'])
  assert.equal(cluster.leaderName(), 'ann')
  assert.ok(cluster.consensus('ann').catalog().get('node', idOf('ann')))
  await cluster.write('ann', createService('web'))
  assert.ok(has(cluster.consensus('ann').catalog(), 'web'))
  await cluster.stop()
})

test('managers that appear in the catalog become voters and get the whole table', async () => {
  const cluster = await ConsensusCluster.founded(five)
  for (const name of five) {
    assert.deepEqual([...cluster.consensus(name).voters()].sort(), five.map(idOf).sort())
    assert.equal(cluster.consensus(name).catalog().list('node').length, 5)
  }
  await cluster.stop()
})

test('a write through a follower is readable there when it is acknowledged', async () => {
  const cluster = await ConsensusCluster.founded(three)
  const [follower] = others(cluster, await cluster.agreedLeader())
  assert.ok(follower)
  await cluster.write(follower, createService('web'))
  assert.ok(has(cluster.consensus(follower).catalog(), 'web'))
  assert.ok(await cluster.runUntil(() => everywhere(cluster, 'web')))
  await cluster.stop()
})

test('a write that is agreed but not applied here in time is not told as done', async () => {
  const cluster = await ConsensusCluster.founded(three)
  const leader = await cluster.agreedLeader()
  const [follower] = others(cluster, leader)
  assert.ok(follower)
  const release = cluster.disks.get(follower)?.holdSyncs()
  await assert.rejects(cluster.write(follower, createService('web')), (error) =>
    isFault(error, 'raft/outcome-unknown'),
  )
  assert.ok(has(cluster.consensus(leader).catalog(), 'web'))
  assert.ok(!has(cluster.consensus(follower).catalog(), 'web'))
  release?.()
  assert.ok(await cluster.runUntil(() => everywhere(cluster, 'web')))
  await cluster.stop()
})

test('a refusal reaches the follower that passed the transaction on', async () => {
  const cluster = await ConsensusCluster.founded(three)
  await cluster.write('ann', createService('web'))
  const [follower] = others(cluster, await cluster.agreedLeader())
  assert.ok(follower)
  await assert.rejects(cluster.write(follower, createService('web')), /catalog\/exists/)
  await cluster.stop()
})

test('what no manager could read back is refused before it reaches the log', async () => {
  const cluster = await ConsensusCluster.founded(three)
  const claims = Array.from({ length: 10_000 }, (_, at) => `port/tcp/${at}`)
  const object = { kind: 'service', id: 'wide', claims, body: {} }
  for (const name of three) {
    await assert.rejects(cluster.write(name, { kind: 'create', object }), (error) =>
      isFault(error, 'raft/invalid-transaction'),
    )
  }
  await cluster.write('ann', createService('web'))
  assert.ok([...cluster.managers.values()].every(({ fatals }) => fatals.length === 0))
  await cluster.stop()
})

test('after the leader is lost another one takes writes, and the lost one catches up', async () => {
  const cluster = await ConsensusCluster.founded(three)
  const first = await cluster.agreedLeader()
  await cluster.write(first, createService('before'))
  cluster.crash(first)
  const [survivor] = others(cluster, first)
  assert.ok(survivor)
  const startedMs = cluster.clock.monotonicMs()
  await cluster.write(survivor, createService('after'))
  assert.ok(cluster.clock.monotonicMs() - startedMs < 3000, 'writes again within 3 s')
  assert.ok(has(cluster.consensus(survivor).catalog(), 'before'))
  await cluster.start(first)
  assert.ok(await cluster.runUntil(() => everywhere(cluster, 'after')))
  await cluster.stop()
})

test('no acknowledged write is lost when all crash at once, whatever was torn', async () => {
  for (let seed = 1; seed <= 4; seed++) {
    const cluster = await ConsensusCluster.founded(three, { seed })
    const acknowledged: string[] = []
    for (let at = 0; at < 8; at++) {
      const through = three[at % 3] ?? 'ann'
      await cluster.write(through, createService(`s${at}`))
      acknowledged.push(`s${at}`)
    }
    for (const [at, name] of three.entries()) cluster.crash(name, seed * 13 + at * 7)
    for (const name of three) await cluster.start(name)
    const leader = await cluster.agreedLeader()
    await cluster.settled(cluster.consensus(leader).barrier())
    for (const service of acknowledged) {
      assert.ok(has(cluster.consensus(leader).catalog(), service), `${service} lost, seed ${seed}`)
    }
    await cluster.write(leader, createService('next'))
    await cluster.stop()
  }
})

test('a barrier on a follower shows what was acknowledged elsewhere before', async () => {
  const cluster = await ConsensusCluster.founded(three)
  const leader = await cluster.agreedLeader()
  for (let at = 0; at < 5; at++) {
    await cluster.write(leader, createService(`s${at}`))
    for (const follower of others(cluster, leader)) {
      await cluster.settled(cluster.consensus(follower).barrier())
      assert.ok(has(cluster.consensus(follower).catalog(), `s${at}`))
    }
  }
  await cluster.stop()
})

test('without a majority a write names the managers that cannot be reached', async () => {
  const cluster = await ConsensusCluster.founded(three)
  const leader = await cluster.agreedLeader()
  const [survivor, other] = others(cluster, leader)
  assert.ok(survivor !== undefined && other !== undefined)
  cluster.crash(leader)
  cluster.crash(other)
  await cluster.runUntil(() => cluster.consensus(survivor).leader().leader === null)
  await assert.rejects(cluster.write(survivor, createService('web')), (error) => {
    assert.ok(isFault(error, 'raft/no-leader'))
    assert.deepEqual([...(error.fault['unreachable'] as string[])].sort(), [leader, other].sort())
    return true
  })
  await assert.rejects(cluster.settled(cluster.consensus(survivor).barrier()), (error) =>
    isFault(error, 'raft/no-leader'),
  )
  await cluster.stop()
})

test('a leader cut off from the others says that the outcome is unknown, and steps down', async () => {
  const cluster = await ConsensusCluster.founded(three)
  const leader = await cluster.agreedLeader()
  const rest = others(cluster, leader)
  cluster.network.partition([idOf(leader)], rest.map(idOf))
  const cutOff = cluster.write(leader, createService('lost?'))
  await assert.rejects(cutOff, (error) => isFault(error, 'raft/outcome-unknown'))
  assert.equal(cluster.consensus(leader).leader().isSelf, false)
  const [majority] = rest
  assert.ok(majority)
  await cluster.write(majority, createService('kept'))
  cluster.network.heal()
  assert.ok(await cluster.runUntil(() => everywhere(cluster, 'kept')))
  for (const name of three) assert.ok(!has(cluster.consensus(name).catalog(), 'lost?'))
  await cluster.stop()
})

test('a request that is retried after a lost leader applies once', async () => {
  const cluster = await ConsensusCluster.founded(three)
  const leader = await cluster.agreedLeader()
  const [follower] = others(cluster, leader)
  assert.ok(follower)
  const transaction = { request: 'same', atMs: 1, changes: [createService('web')] }
  const first = cluster.consensus(follower).propose(transaction)
  await cluster.clock.run(2)
  cluster.crash(leader)
  const result = await cluster.settled(first)
  assert.equal(result.kind, 'applied')
  assert.deepEqual(await cluster.settled(cluster.consensus(follower).propose(transaction)), result)
  await cluster.stop()
})

test('leadership is handed over at once, and writes go on', async () => {
  const cluster = await ConsensusCluster.founded(three)
  const leader = await cluster.agreedLeader()
  const startedMs = cluster.clock.monotonicMs()
  await cluster.settled(cluster.consensus(leader).handOver())
  assert.ok(cluster.clock.monotonicMs() - startedMs < 500, 'without an election timeout')
  assert.notEqual(await cluster.agreedLeader(), leader)
  await cluster.write(leader, createService('web'))
  await cluster.stop()
})

test('a demoted leader hands over and is removed; a removed node does not come back', async () => {
  const cluster = await ConsensusCluster.founded(three)
  const leader = await cluster.agreedLeader()
  const object = {
    kind: 'node',
    id: idOf(leader),
    claims: [],
    body: { name: leader, role: 'worker' },
  }
  await cluster.write(leader, { kind: 'update', object, ifVersion: null })
  const rest = others(cluster, leader)
  const isOut = (): boolean =>
    rest.every((name) => !cluster.consensus(name).voters().includes(idOf(leader)))
  assert.ok(await cluster.runUntil(isOut))
  const [survivor] = rest
  assert.ok(survivor)
  await cluster.write(survivor, createService('web'))
  await cluster.clock.run(5000)
  assert.ok(rest.includes(cluster.leaderName() ?? ''))
  await cluster.stop()
})

test('a manager far behind is brought up by a snapshot in parts', async () => {
  const cluster = await ConsensusCluster.founded(three, { snapshotEvery: 20 })
  const leader = await cluster.agreedLeader()
  const [behind, other] = others(cluster, leader)
  assert.ok(behind !== undefined && other !== undefined)
  cluster.crash(behind)
  const large = 'x'.repeat(40_000)
  for (let at = 0; at < 60; at++) {
    const object = { kind: 'service', id: `s${at}`, claims: [], body: large }
    await cluster.write(leader, { kind: 'create', object })
  }
  await cluster.start(behind)
  const view = new CatalogView()
  const resets: CatalogDelta[] = []
  cluster.consensus(behind).watchCatalog((delta) => {
    view.apply(delta)
    if (delta.reset) resets.push(delta)
  })
  assert.ok(await cluster.runUntil(() => has(view, 's59')))
  assert.equal(view.list('service').length, 60)
  assert.equal(resets.length, 2, 'one at the beginning, one by the snapshot')
  cluster.crash(behind)
  await cluster.start(behind)
  assert.ok(has(cluster.consensus(behind).catalog(), 's30'), 'from its own snapshot')
  await cluster.stop()
})

test('a watcher that follows deltas reads as the catalog does', async () => {
  const cluster = await ConsensusCluster.founded(three)
  const view = new CatalogView()
  const stop = cluster.consensus('bob').watchCatalog((delta) => view.apply(delta))
  await cluster.write('ann', createService('a'), createService('b'))
  await cluster.write('cyd', { kind: 'delete', ref: { kind: 'service', id: 'a' }, ifVersion: null })
  await cluster.settled(cluster.consensus('bob').barrier())
  assert.deepEqual(view.list('service'), cluster.consensus('bob').catalog().list('service'))
  assert.equal(view.index, cluster.consensus('bob').catalog().index)
  stop()
  await cluster.write('ann', createService('c'))
  assert.ok(!has(view, 'c'))
  await cluster.stop()
})

test('a failed fsync ends the node, and nothing it promised is lost', async () => {
  const cluster = await ConsensusCluster.founded(three)
  const leader = await cluster.agreedLeader()
  cluster.disks.get(leader)?.failSyncs(1)
  const [follower] = others(cluster, leader)
  assert.ok(follower)
  const broken = cluster.managers.get(leader)
  await cluster.write(follower, createService('web'))
  assert.ok(isFault(broken?.fatals[0], 'storage/sync-failed'))
  assert.equal(broken?.fatals.length, 1)
  await cluster.stop()
})

test('a write is acknowledged only when a majority has synced it', async () => {
  const cluster = await ConsensusCluster.founded(three)
  const leader = await cluster.agreedLeader()
  const releases = others(cluster, leader).map((name) => cluster.disks.get(name)?.holdSyncs())
  let isAcknowledged = false
  const write = cluster.write(leader, createService('web')).then(() => {
    isAcknowledged = true
  })
  await cluster.clock.run(300)
  assert.equal(isAcknowledged, false)
  releases[0]?.()
  await write
  releases[1]?.()
  await cluster.stop()
})

test('a barrier waits until what was acknowledged is applied here', async () => {
  const cluster = await ConsensusCluster.founded(three)
  const leader = await cluster.agreedLeader()
  const [slow] = others(cluster, leader)
  assert.ok(slow)
  const release = cluster.disks.get(slow)?.holdSyncs()
  await cluster.write(leader, createService('web'))
  const seen = cluster
    .consensus(slow)
    .barrier()
    .then(() => has(cluster.consensus(slow).catalog(), 'web'))
  await cluster.clock.run(300)
  release?.()
  assert.equal(await cluster.settled(seen), true)
  await cluster.stop()
})

test('writes in a row wait for the network, never for a tick', async () => {
  const cluster = await ConsensusCluster.founded(three)
  const leader = await cluster.agreedLeader()
  for (const through of three) {
    const { consensus } = cluster.manager(through)
    const inARow = async (): Promise<void> => {
      for (let at = 0; at < 10; at++) {
        const changes = [createService(`${through}${at}`)]
        await consensus.propose({ request: `${through}${at}`, atMs: 1, changes })
        await consensus.barrier()
      }
    }
    const startedMs = cluster.clock.monotonicMs()
    await cluster.settled(inARow())
    const passedMs = cluster.clock.monotonicMs() - startedMs
    assert.ok(passedMs < 200, `${passedMs} ms for ten through ${through}, ${leader} leads`)
  }
  await cluster.stop()
})

test('many proposals of one moment share their syncs', async () => {
  const cluster = await ConsensusCluster.founded(['ann'])
  const before = cluster.disks.get('ann')?.syncs ?? 0
  const writes = Array.from({ length: 100 }, (_, at) =>
    cluster
      .consensus('ann')
      .propose({ request: `r${at}`, atMs: 1, changes: [createService(`s${at}`)] }),
  )
  const results = await cluster.settled(Promise.all(writes))
  assert.ok(results.every(({ kind }) => kind === 'applied'))
  assert.ok((cluster.disks.get('ann')?.syncs ?? 0) - before <= 3)
  await cluster.stop()
})

test('a transaction that is too large is refused before it goes anywhere', async () => {
  const cluster = await ConsensusCluster.founded(['ann'])
  const body = 'x'.repeat(3_000_000)
  const object = { kind: 'config', id: 'big', claims: [], body }
  await assert.rejects(cluster.write('ann', { kind: 'create', object }), (error) =>
    isFault(error, 'raft/too-large'),
  )
  await cluster.stop()
})

test('a worker’s Raft messages are not listened to', async () => {
  const cluster = await ConsensusCluster.founded(['ann'])
  await cluster.write('ann', createNode('wes', 'worker'))
  await cluster.start('wes')
  await cluster.clock.run(3000)
  assert.deepEqual(cluster.consensus('ann').voters(), [idOf('ann')])
  assert.equal(cluster.consensus('wes').catalog().index, 0)
  await cluster.stop()
})

test('managers do not all take a snapshot at the same moment', async () => {
  const cluster = await ConsensusCluster.founded(three, { snapshotEvery: 40 })
  const begun = async (): Promise<string[]> => {
    const names = [...cluster.disks.values()].map((disk) => disk.list('raft/snapshots'))
    return (await Promise.all(names)).map(([first]) => first ?? '')
  }
  for (let number = 0; (await begun()).includes(''); number++) {
    assert.ok(number < 60, 'each takes one within as many entries')
    await cluster.write('ann', createService(`s${number}`))
  }
  assert.ok(new Set(await begun()).size > 1)
  await cluster.stop()
})
