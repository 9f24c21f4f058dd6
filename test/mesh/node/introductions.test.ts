import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Change } from '../../../mesh/catalog/types.ts'
import { ConsensusCluster, createNode, createService, has, idOf } from './consensus-cluster.ts'

const demotion = (name: string): Change => ({
  kind: 'update',
  object: {
    kind: 'node',
    id: idOf(name),
    claims: [`name/node/${name}`],
    body: { name, role: 'worker' },
  },
  ifVersion: null,
})

test('a manager that comes back hears a leader that joined while it was away', async () => {
  const cluster = await ConsensusCluster.founded(['ann', 'bob', 'cyd'], { reachable: ['dee'] })
  cluster.crash('cyd')
  await cluster.start('dee')
  const first = cluster.consensus('ann')
  await cluster.write('ann', createNode('dee', 'manager'))
  assert.ok(await cluster.runUntil(() => first.voters().includes(idOf('dee'))))
  await cluster.write('ann', demotion('bob'))
  assert.ok(await cluster.runUntil(() => !first.voters().includes(idOf('bob'))))
  await cluster.settled(first.handOver())
  await cluster.write('dee', createService('web'))
  assert.equal(cluster.consensus('ann').leader().leader, idOf('dee'))

  const late = (await cluster.start('cyd')).consensus
  assert.ok(await cluster.runUntil(() => has(late.catalog(), 'web')), 'it caught up')
  assert.equal(late.leader().leader, idOf('dee'))
  await cluster.stop()
})
