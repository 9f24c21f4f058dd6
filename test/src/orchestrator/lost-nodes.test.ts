import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeById } from '../../../src/model/node-view.ts'
import { ClusterTwin, idOf } from './cluster-twin.ts'

function cluster(nodes: number, replicas: number): ClusterTwin {
  const twin = new ClusterTwin()
  for (let at = 1; at <= nodes; at++) twin.addNode(`n${at}`)
  twin.addService('web', { Mode: { Replicated: { Replicas: replicas } } })
  twin.settle()
  assert.equal(twin.running.length, replicas)
  return twin
}

const stateOf = (twin: ClusterTwin, name: string): string | undefined =>
  nodeById(twin.catalog, idOf(name))?.state

test('a dead node is down at once; after two seconds its tasks run elsewhere without delay', () => {
  const twin = cluster(3, 3)
  twin.setMember('n1', 'dead')
  const { wakeAtMs } = twin.pass()
  assert.equal(stateOf(twin, 'n1'), 'down')
  assert.equal(wakeAtMs, twin.nowMs + 2000)
  twin.wait(1999)
  twin.pass()
  assert.ok(twin.wanted.some((task) => task.node === idOf('n1')))
  twin.wait(1)
  twin.pass()
  assert.equal(twin.wanted.length, 3)
  assert.ok(twin.wanted.every((task) => task.node !== idOf('n1') && task.desired === 'running'))
  assert.equal(twin.tasks.find((task) => task.node === idOf('n1'))?.stopCause, 'node-lost')
})

test('a suspect keeps its tasks and gets no new ones', () => {
  const twin = cluster(2, 2)
  twin.setMember('n1', 'suspect')
  twin.wait(60_000)
  twin.scale('web', 4)
  twin.settle()
  assert.equal(stateOf(twin, 'n1'), 'ready')
  assert.equal(twin.wanted.filter((task) => task.node === idOf('n1')).length, 1)
})

for (const orderly of ['data path', 'left'] as const) {
  test(`it is waited for thirty seconds: ${orderly}`, () => {
    const twin = cluster(3, 3)
    twin.setMember('n1', orderly === 'left' ? 'left' : 'dead')
    twin.dataPath.set(idOf('n1'), orderly === 'data path')
    twin.pass()
    twin.wait(29_999)
    assert.deepEqual(twin.pass().changes, [])
    twin.wait(1)
    twin.settle()
    assert.ok(twin.wanted.every((task) => task.node !== idOf('n1')))
    assert.equal(twin.running.length, 3)
  })
}

test('a data path that falls silent later ends the wait', () => {
  const twin = cluster(3, 3)
  twin.setMember('n1', 'dead')
  twin.dataPath.set(idOf('n1'), true)
  twin.pass()
  twin.wait(10_000)
  twin.dataPath.set(idOf('n1'), false)
  twin.settle()
  assert.ok(twin.wanted.every((task) => task.node !== idOf('n1')))
})

test('a node that comes back stops what moved away, and keeps nothing twice', () => {
  const twin = cluster(3, 3)
  twin.setMember('n1', 'dead')
  twin.pass()
  twin.wait(2000)
  twin.settle()
  const moved = twin.tasks.find((task) => task.node === idOf('n1'))
  assert.equal(moved?.state, 'running', 'nobody heard how it ended')
  twin.setMember('n1', 'alive')
  twin.settle()
  assert.equal(stateOf(twin, 'n1'), 'ready')
  assert.equal(twin.tasks.find((task) => task.id === moved?.id)?.state, 'shutdown')
  assert.equal(twin.running.length, 3)
})

test('a node that comes back in time keeps its tasks', () => {
  const twin = cluster(3, 3)
  const before = twin.tasks.map(({ id }) => id)
  twin.setMember('n1', 'dead')
  twin.pass()
  twin.wait(1000)
  twin.setMember('n1', 'alive')
  twin.settle()
  twin.wait(60_000)
  twin.settle()
  assert.deepEqual(
    twin.tasks.map(({ id }) => id),
    before,
  )
})

test('a quarter of the nodes is given up in a minute, and the next one in the next', () => {
  const twin = cluster(8, 8)
  for (const name of ['n1', 'n2', 'n3']) twin.setMember(name, 'dead')
  twin.pass()
  twin.wait(2000)
  const { wakeAtMs } = twin.pass()
  twin.settle()
  const lostOf = (): number =>
    ['n1', 'n2', 'n3'].filter((name) => !twin.wanted.some((task) => task.node === idOf(name)))
      .length
  assert.equal(lostOf(), 2)
  assert.equal(wakeAtMs, twin.nowMs + 60_000)
  twin.wait(60_000)
  twin.settle()
  assert.equal(lostOf(), 3)
  assert.equal(twin.running.length, 8)
})

test('a removed node loses its tasks at once, and they are over', () => {
  const twin = cluster(2, 2)
  twin.remove('node', idOf('n1'))
  twin.members.delete(idOf('n1'))
  twin.settle()
  assert.equal(twin.running.length, 2)
  assert.ok(twin.wanted.every((task) => task.node === idOf('n2')))
  assert.equal(twin.tasks.find((task) => task.node === idOf('n1'))?.state, 'orphaned')
})

test('a node that nobody has seen is given time: the whole cluster may be starting', () => {
  const twin = cluster(3, 3)
  twin.members.delete(idOf('n1'))
  assert.equal(twin.pass().wakeAtMs, twin.nowMs + 10_000)
  assert.equal(stateOf(twin, 'n1'), 'ready')
  twin.wait(10_000)
  twin.settle()
  assert.equal(stateOf(twin, 'n1'), 'down')
  assert.equal(twin.running.filter((task) => task.node !== idOf('n1')).length, 3)
})

test('tasks of a removed service on a dead node are forgotten once it counts as lost', () => {
  const twin = cluster(2, 2)
  twin.setMember('n1', 'dead')
  twin.remove('service', 'serviceweb'.padEnd(25, '0'))
  twin.settle()
  assert.equal(twin.tasks.length, 1)
  twin.wait(2000)
  twin.settle()
  assert.deepEqual(twin.tasks, [])
})

test('what a node says of its machine and its engine is written down', () => {
  const twin = cluster(1, 1)
  const record = twin.nodeRecords.get(idOf('n1'))
  assert.ok(record !== undefined)
  const description = { ...record.description, Hostname: 'renamed' }
  twin.nodeRecords.set(idOf('n1'), { ...record, description, engineReady: false, message: 'gone' })
  twin.pass()
  const node = nodeById(twin.catalog, idOf('n1'))
  assert.equal(node?.hostname, 'renamed')
  assert.equal(node?.message, 'gone')
  assert.deepEqual(twin.pass().changes, [])
})

test('a node that comes back under another address is found there', () => {
  const twin = cluster(1, 1)
  const member = twin.members.get(idOf('n1'))
  assert.ok(member !== undefined)
  const meta = {
    ...member.meta,
    controlAddress: '10.9.9.9:2377',
    gossipAddress: '10.9.9.9:7946',
    dataPathAddress: '10.9.9.9:4789',
  }
  twin.members.set(idOf('n1'), { ...member, meta })
  twin.settle()
  const node = nodeById(twin.catalog, idOf('n1'))
  assert.deepEqual([node?.address, node?.apiAddress], ['10.9.9.9', '10.9.9.9:2377'])
  assert.equal(node?.mesh.DataPathAddress, '10.9.9.9:4789')
})
