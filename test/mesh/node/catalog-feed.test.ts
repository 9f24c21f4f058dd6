import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../../mesh/base/log.ts'
import { SeededRandom } from '../../../mesh/base/random.ts'
import type { CatalogDelta, CatalogReader, Change } from '../../../mesh/catalog/types.ts'
import { CatalogFeed } from '../../../mesh/node/catalog-feed.ts'
import { CatalogFollower } from '../../../mesh/node/catalog-follower.ts'
import {
  ConsensusCluster,
  createNode,
  createService,
  has,
  idOf,
  testPolicy,
} from './consensus-cluster.ts'

const managers = ['ann', 'bob', 'cyd']

/** Managers that feed, and a worker `wes` that follows. */
async function feedingCluster(
  names = managers,
  cutOff: ReadonlySet<string> = new Set(),
): Promise<ConsensusCluster> {
  const cluster = await ConsensusCluster.founded(names, { reachable: ['wes'] })
  for (const name of names) feed(cluster, name, cutOff)
  await cluster.write('ann', createNode('wes', 'worker'))
  return cluster
}

function feed(
  cluster: ConsensusCluster,
  name: string,
  cutOff: ReadonlySet<string> = new Set(),
): CatalogFeed {
  const { consensus, host } = cluster.manager(name)
  return new CatalogFeed({
    transport: host.transport,
    policy: testPolicy,
    clock: cluster.clock,
    log: silentLog,
    catalog: () => consensus.catalog(),
    watchCatalog: (listener) => consensus.watchCatalog(listener),
    isCurrent: () => consensus.leader().leader !== null && !cutOff.has(name),
  })
}

function follow(cluster: ConsensusCluster, saved: CatalogDelta | null = null): CatalogFollower {
  return new CatalogFollower(
    {
      transport: cluster.host('wes').transport,
      clock: cluster.clock,
      random: new SeededRandom(7),
      log: silentLog,
      managers: () => managers.map(idOf),
    },
    saved,
  )
}

const createTask = (id: string, node: string, body: object = {}): Change => ({
  kind: 'create',
  object: { kind: 'task', id, claims: [], body: { node: idOf(node), ...body } },
})

const taskIds = (catalog: CatalogReader): string[] => catalog.list('task').map(({ id }) => id)

test('a worker gets its projection and then what changes, and nothing of others', async () => {
  const cluster = await feedingCluster()
  await cluster.write(
    'ann',
    createService('web'),
    createTask('mine', 'wes'),
    createTask('his', 'bob'),
  )
  const follower = follow(cluster)
  assert.ok(await cluster.runUntil(() => has(follower.catalog(), 'web')))
  assert.deepEqual(taskIds(follower.catalog()), ['mine'])
  await cluster.write('bob', createTask('too', 'wes'), createTask('no', 'cyd'))
  assert.ok(await cluster.runUntil(() => taskIds(follower.catalog()).includes('too')))
  assert.deepEqual(taskIds(follower.catalog()), ['mine', 'too'])
  await cluster.write('cyd', { kind: 'delete', ref: { kind: 'task', id: 'mine' }, ifVersion: null })
  assert.ok(await cluster.runUntil(() => taskIds(follower.catalog()).length === 1))
  follower.stop()
  await cluster.stop()
})

test('a large table comes in parts and counts as one change', async () => {
  const cluster = await feedingCluster(['ann'])
  const body = { filling: 'x'.repeat(20_000) }
  for (let at = 0; at < 50; at++) await cluster.write('ann', createTask(`t${at}`, 'wes', body))
  const follower = follow(cluster)
  const sizes: number[] = []
  follower.watchCatalog(({ upserts }) => sizes.push(upserts.length))
  assert.ok(await cluster.runUntil(() => taskIds(follower.catalog()).length > 0))
  assert.deepEqual(sizes, [0, 50])
  follower.stop()
  await cluster.stop()
})

test('changes within a moment reach the worker as one', async () => {
  const cluster = await feedingCluster()
  const follower = follow(cluster)
  assert.ok(await cluster.runUntil(() => follower.catalog().index > 0))
  const deltas: CatalogDelta[] = []
  follower.watchCatalog((delta) => deltas.push(delta))
  for (let at = 0; at < 10; at++) await cluster.write('ann', createService(`s${at}`))
  assert.ok(await cluster.runUntil(() => has(follower.catalog(), 's9')))
  const changes = deltas.slice(1).filter(({ upserts }) => upserts.length > 0)
  assert.ok(changes.length < 10, `${changes.length} deltas`)
  assert.ok(changes.every(({ reset }) => !reset))
  follower.stop()
  await cluster.stop()
})

test('when its manager is lost a worker follows another one', async () => {
  const cluster = await feedingCluster()
  const follower = follow(cluster)
  assert.ok(await cluster.runUntil(() => follower.catalog().index > 0))
  const first = managers.find((name) => idOf(name) === follower.manager())
  assert.ok(first)
  cluster.crash(first)
  const survivor = managers.find((name) => name !== first)
  assert.ok(survivor)
  await cluster.write(survivor, createService('later'))
  assert.ok(await cluster.runUntil(() => has(follower.catalog(), 'later')))
  assert.notEqual(follower.manager(), idOf(first))
  follower.stop()
  await cluster.stop()
})

test('a worker leaves a manager that hears no leader any more', async () => {
  const cutOff = new Set<string>()
  const cluster = await feedingCluster(managers, cutOff)
  const follower = follow(cluster)
  assert.ok(await cluster.runUntil(() => follower.catalog().index > 0))
  const first = managers.find((name) => idOf(name) === follower.manager())
  assert.ok(first)
  cutOff.add(first)
  const hasMoved = (): boolean => ![idOf(first), null].includes(follower.manager())
  assert.ok(await cluster.runUntil(hasMoved, 20_000))
  await cluster.write('ann', createService('later'))
  assert.ok(await cluster.runUntil(() => has(follower.catalog(), 'later')))
  follower.stop()
  await cluster.stop()
})

test('a worker that is removed is fed no more', async () => {
  const cluster = await feedingCluster(['ann'])
  const follower = follow(cluster)
  assert.ok(await cluster.runUntil(() => follower.catalog().index > 0))
  const removal = {
    kind: 'delete',
    ref: { kind: 'node', id: idOf('wes') },
    ifVersion: null,
  } as const
  await cluster.write('ann', removal, createService('secret'))
  await cluster.clock.run(8000)
  assert.equal(follower.manager(), null)
  assert.ok(!has(follower.catalog(), 'secret'))
  follower.stop()
  await cluster.stop()
})

test('a stranger is fed nothing', async () => {
  const cluster = await ConsensusCluster.founded(['ann'], { reachable: ['wes'] })
  feed(cluster, 'ann')
  const follower = follow(cluster)
  await cluster.clock.run(5000)
  assert.equal(follower.catalog().index, 0)
  follower.stop()
  await cluster.stop()
})

test('a restarted worker knows its saved table before it hears anyone', async () => {
  const cluster = await feedingCluster()
  await cluster.write('ann', createService('web'))
  const follower = follow(cluster)
  assert.ok(await cluster.runUntil(() => has(follower.catalog(), 'web')))
  const saved = JSON.parse(JSON.stringify(follower.snapshot())) as CatalogDelta
  follower.stop()
  const restarted = follow(cluster, saved)
  assert.ok(has(restarted.catalog(), 'web'))
  await cluster.write('bob', createService('later'))
  assert.ok(await cluster.runUntil(() => has(restarted.catalog(), 'later')))
  restarted.stop()
  await cluster.stop()
})

test('heartbeats move the index of a table that does not change', async () => {
  const cluster = await feedingCluster()
  const follower = follow(cluster)
  assert.ok(await cluster.runUntil(() => follower.catalog().index > 0))
  const index = await cluster.write('ann', createTask('his', 'bob'))
  assert.ok(await cluster.runUntil(() => follower.catalog().index >= index, 5000))
  follower.stop()
  await cluster.stop()
})
