import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json } from '../../../mesh/base/json.ts'
import type { Member } from '../../../mesh/membership/types.ts'
import { eventually } from '../../support/daemon.ts'
import { RealNodes, type RealNode } from './real-nodes.ts'

/** What a node hears, kept up to date. */
function ears({ node }: RealNode) {
  const members = new Map<string, Member['state']>()
  const records = new Map<string, Json>()
  node.watchMembers((changed) => {
    for (const { id, state } of changed) members.set(id, state)
  })
  node.watchRecords((changed) => {
    for (const { node: by, key, value } of changed) records.set(`${by} ${key}`, value)
  })
  return { members, records }
}

test('a worker that restarts while no manager runs knows the cluster, and hears of the others', async () => {
  await using nodes = new RealNodes('127.1.52')
  const founder = await nodes.found()
  const second = await nodes.join(2, 'worker')
  const third = await nodes.join(3, 'worker')
  await eventually('node 2 knows all nodes', 5000, () => second.view.list('node').length === 3)
  assert.ok(second.node.isCurrent)
  const known = second.view.index
  await second.stop()
  await founder.stop()

  const restarted = await nodes.start(2)
  assert.equal(restarted.view.list('node').length, 3)
  assert.ok(restarted.view.index <= known && restarted.view.index > 0)
  assert.ok(!restarted.node.isCurrent, 'it is from the disk')
  assert.equal(restarted.node.role, 'worker')
  const { members, records } = ears(restarted)
  third.node.publish('task/x', { state: 'running' })
  await eventually('node 3 is heard', 10_000, () => records.has(`${third.node.self} task/x`))
  await eventually('the manager is known to be gone', 10_000, () => {
    return members.get(founder.node.self) !== 'alive' && members.get(third.node.self) === 'alive'
  })
  third.node.publish('task/x', null)
  await eventually('what is over goes', 5000, () => {
    return records.get(`${third.node.self} task/x`) === null
  })

  // And a manager that comes back is believed.
  await nodes.start(1)
  await eventually('a manager feeds it', 15_000, () => restarted.node.isCurrent)
})

test('a manager that restarts alone knows the cluster from its log, and hears of the workers', async () => {
  await using nodes = new RealNodes('127.1.52')
  const first = await nodes.found()
  const second = await nodes.join(2, 'manager')
  const third = await nodes.join(3, 'manager')
  const worker = await nodes.join(4, 'worker')
  await eventually('all know all', 10_000, () =>
    [first, second, third, worker].every(({ view }) => view.list('node').length === 4),
  )
  await third.stop()
  await second.stop()
  await first.stop()

  const restarted = await nodes.start(1)
  assert.equal(restarted.view.list('node').length, 4)
  const { members, records } = ears(restarted)
  worker.node.publish('task/x', { state: 'running' })
  await eventually('the worker is heard', 15_000, () => records.has(`${worker.node.self} task/x`))
  assert.equal(restarted.node.leader().leader, null)
  assert.ok(!restarted.node.isCurrent)
  await worker.stop()
  await eventually('who goes is seen to go', 10_000, () => {
    return members.get(worker.node.self) !== 'alive'
  })
})
