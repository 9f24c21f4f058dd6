import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LocalMeshNode } from '../../../mesh/node/local-mesh-node.ts'
import { eventually } from '../../support/daemon.ts'
import { RealNodes } from './real-nodes.ts'

function aliveAt(node: LocalMeshNode): number {
  let alive = 0
  node.watchMembers((members) => {
    alive = members.filter(({ state }) => state === 'alive').length
  })()
  return alive
}

function names(node: LocalMeshNode): string[] {
  let found: string[] = []
  node.watchCatalog((delta) => {
    found = delta.upserts.filter(({ kind }) => kind === 'service').map(({ id }) => id)
  })()
  return found
}

test('machines found, join and come back as one cluster', async () => {
  await using cluster = new RealNodes('127.0.30')
  const { node: first } = await cluster.found()
  const { node: second } = await cluster.join(2, 'manager')
  const { node: third } = await cluster.join(3, 'manager')
  const { node: worker } = await cluster.join(4, 'worker')
  assert.deepEqual(
    [first, second, third, worker].map(({ role }) => role),
    ['manager', 'manager', 'manager', 'worker'],
  )
  for (const node of [first, second, third, worker]) {
    await eventually('it sees four alive', 10_000, () => aliveAt(node) === 4)
  }

  await eventually('a follower knows the leader', 5000, () => second.leader().leader !== null)
  const result = await second.propose([
    {
      kind: 'create',
      object: { kind: 'service', id: 'web', claims: [], body: { Spec: {}, Endpoint: {} } },
    },
  ])
  assert.equal(result.kind, 'applied')
  for (const node of [first, second, third]) {
    await eventually('every manager has it', 5000, () => names(node).includes('web'))
  }
  await assert.rejects(worker.propose([]), /raft\/not-a-manager/)

  const heard: string[] = []
  worker.watchRecords((records) => heard.push(...records.map(({ key }) => key)))
  first.publish('task/1', { state: 'running' })
  await eventually('a record reaches the worker', 5000, () => heard.includes('task/1'))

  await cluster.get(2).stop()
  const { node: back } = await cluster.start(2)
  assert.equal(back.self, second.self)
  await eventually('it is back', 10_000, () => names(back).includes('web') && aliveAt(first) === 4)
})
