import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClusterTwin, idOf } from './cluster-twin.ts'

function threeNodes(seed = 1): ClusterTwin {
  const twin = new ClusterTwin(seed)
  for (const name of ['n1', 'n2', 'n3']) twin.addNode(name)
  return twin
}

const replicas = (count: number): { Mode: { Replicated: { Replicas: number } } } => ({
  Mode: { Replicated: { Replicas: count } },
})

const slotsOf = (twin: ClusterTwin): number[] =>
  twin.wanted.map((task) => task.slot).sort((left, right) => left - right)

test('a new service gets slots 1 to N, placed in the same pass', () => {
  const twin = threeNodes()
  twin.addService('web', replicas(5))
  twin.pass()
  assert.deepEqual(slotsOf(twin), [1, 2, 3, 4, 5])
  for (const task of twin.tasks) {
    assert.equal(task.state, 'assigned')
    assert.equal(task.desired, 'running')
    assert.ok(task.node !== null)
    assert.ok(task.generation > 0 && task.generation <= twin.catalog.index)
  }
})

test('tasks spread: five on three nodes never stand three to one', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const twin = threeNodes(seed)
    twin.addService('web', replicas(5))
    twin.settle()
    const counts = ['n1', 'n2', 'n3'].map(
      (name) => twin.wanted.filter((task) => task.node === idOf(name)).length,
    )
    assert.deepEqual(
      counts.sort((left, right) => left - right),
      [1, 2, 2],
      `seed ${seed}`,
    )
  }
})

test('what runs is taken over from the node it runs on, and nothing more is changed', () => {
  const twin = threeNodes()
  twin.addService('web', replicas(2))
  twin.settle()
  assert.equal(twin.running.length, 2)
  assert.equal(twin.running[0]?.body.Status.ContainerStatus?.PID, 42)
  assert.deepEqual(twin.pass().changes, [])
})

test('a record of another node, of another assignment or of an earlier state is not believed', () => {
  const twin = threeNodes()
  twin.addService('web', replicas(1))
  twin.settle()
  const [task] = twin.tasks
  assert.ok(task?.node)
  const known = twin.records.get(task.id)
  assert.ok(known !== undefined)
  const stranger = ['n1', 'n2', 'n3'].map(idOf).find((id) => id !== task.node) ?? task.node
  const failed = { ...known.record, state: 'failed' } as const
  twin.records.set(task.id, { node: stranger, record: failed })
  assert.deepEqual(twin.pass().changes, [])
  const other = { ...failed, generation: task.generation + 1 }
  twin.records.set(task.id, { node: task.node, record: other })
  assert.deepEqual(twin.pass().changes, [])
  twin.records.set(task.id, { node: task.node, record: { ...known.record, state: 'starting' } })
  assert.deepEqual(twin.pass().changes, [])
})

test('scaling down gives up the fullest node first and frees its slots for later', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const twin = threeNodes(seed)
    twin.addService('web', replicas(7))
    twin.settle()
    twin.scale('web', 3)
    twin.settle()
    const nodes = new Set(twin.wanted.map((task) => task.node))
    assert.equal(nodes.size, 3, `one stays on every node, seed ${seed}`)
    assert.equal(twin.tasks.length, 3, 'what was given up is forgotten once it stopped')
    twin.scale('web', 5)
    twin.settle()
    assert.deepEqual(slotsOf(twin), [1, 2, 3, 4, 5])
  }
})

test('the fullest node gives up a place, not the place that came last', () => {
  const twin = new ClusterTwin()
  twin.addNode('n1')
  twin.addService('web', replicas(3))
  twin.settle()
  twin.addNode('n2')
  twin.scale('web', 4)
  twin.settle()
  twin.scale('web', 3)
  twin.settle()
  assert.deepEqual(slotsOf(twin), [1, 2, 4])
})

test('of equal places the highest is given up', () => {
  const twin = new ClusterTwin()
  twin.addNode('n1')
  twin.addService('web', replicas(4))
  twin.settle()
  twin.scale('web', 2)
  twin.settle()
  assert.deepEqual(slotsOf(twin), [1, 2])
})

test('scaling down gives up tasks that do not run before tasks that do', () => {
  const twin = threeNodes()
  twin.addService('web', replicas(3))
  twin.pass()
  const [first, ...others] = twin.tasks
  for (const task of others) twin.report(task, 'running')
  twin.pass()
  twin.scale('web', 2)
  twin.pass()
  assert.ok(first !== undefined)
  assert.equal(twin.task(first.id)?.desired, 'remove')
  assert.equal(twin.running.length, 2)
})

test('scaling to nothing and removing the service leave no task', () => {
  const twin = threeNodes()
  const id = twin.addService('web', replicas(3))
  twin.settle()
  twin.scale('web', 0)
  twin.settle()
  assert.equal(twin.tasks.length, 0)
  twin.scale('web', 3)
  twin.settle()
  twin.remove('service', id)
  twin.pass()
  assert.ok(twin.tasks.every((task) => task.desired === 'remove'))
  twin.settle()
  assert.equal(twin.tasks.length, 0)
})

test('a task that was never placed goes at once with its service', () => {
  const twin = new ClusterTwin()
  const id = twin.addService('web')
  twin.pass()
  assert.equal(twin.tasks[0]?.state, 'pending')
  twin.remove('service', id)
  twin.pass()
  assert.equal(twin.tasks.length, 0)
})

test('a pass proposes a bounded number of changes, and the next ones do the rest', () => {
  const twin = threeNodes()
  twin.addService('web', replicas(1200))
  assert.equal(twin.pass().changes.length, 500)
  twin.settle()
  assert.equal(twin.running.length, 1200)
  assert.equal(new Set(twin.wanted.map((task) => task.slot)).size, 1200)
  twin.scale('web', 1)
  twin.settle()
  assert.equal(twin.tasks.length, 1)
})

test('two tasks in one place end as one, the one that runs', () => {
  const twin = threeNodes()
  twin.addService('web', replicas(1))
  twin.settle()
  const [task] = twin.tasks
  assert.ok(task !== undefined)
  const body = { ...task.body, Status: { ...task.body.Status, State: 'assigned' as const } }
  const object = {
    kind: 'task',
    id: idOf('twin'),
    claims: [],
    body: JSON.parse(JSON.stringify(body)),
  }
  twin.apply([{ kind: 'create', object }])
  twin.settle()
  assert.deepEqual(
    twin.wanted.map(({ id }) => id),
    [task.id],
  )
  assert.equal(twin.tasks.find(({ id }) => id === idOf('twin'))?.stopCause, 'superseded')
})
