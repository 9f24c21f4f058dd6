import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServiceSpec, UpdateConfig, UpdateState } from '../../../src/model/docker.ts'
import type { TaskView } from '../../../src/model/task-view.ts'
import { ClusterTwin, idOf } from './cluster-twin.ts'

const second = 1e9

function running(
  replicas: number,
  update: UpdateConfig = {},
  more: Partial<ServiceSpec> = {},
): ClusterTwin {
  const twin = new ClusterTwin()
  for (const name of ['n1', 'n2', 'n3']) twin.addNode(name)
  twin.addService('web', {
    Mode: { Replicated: { Replicas: replicas } },
    UpdateConfig: update,
    TaskTemplate: { ContainerSpec: { Image: 'v1' }, RestartPolicy: { Delay: second } },
    ...more,
  })
  twin.settle()
  return twin
}

const state = (twin: ClusterTwin): UpdateState | undefined =>
  twin.service('web').updateStatus?.State

const message = (twin: ClusterTwin): string => twin.service('web').updateStatus?.Message ?? ''

const wantedOf = (twin: ClusterTwin, image: string): TaskView[] =>
  twin.wanted.filter((task) => task.spec.image === image)

const runningOf = (twin: ClusterTwin, image: string): number =>
  twin.running.filter((task) => task.spec.image === image).length

/** Passes, agents and time, until the update is over. */
function finish(twin: ClusterTwin, limitMs = 120_000): void {
  const endMs = twin.nowMs + limitMs
  while (twin.nowMs < endMs) {
    twin.settle(60)
    const now = state(twin)
    if (now !== 'updating' && now !== 'rollback_started') return
    twin.wait(500)
  }
  throw new Error(`still ${state(twin)}: ${message(twin)}`)
}

test('stop-first: one place after the other, and the new task waits until the old one is over', () => {
  const twin = running(3)
  twin.setImage('web', 'v2')
  twin.pass()
  assert.equal(state(twin), 'updating')
  const [fresh, ...others] = wantedOf(twin, 'v2')
  assert.equal(others.length, 0)
  assert.equal(fresh?.desired, 'ready', 'it is placed and pulled, but does not start')
  const old = twin.tasks.find((task) => task.stopCause === 'updated')
  assert.equal(old?.slot, fresh?.slot)
  assert.ok(old !== undefined)
  twin.report(old, 'shutdown')
  twin.pass()
  assert.equal(twin.task(fresh?.id ?? '')?.desired, 'running')
  assert.equal(wantedOf(twin, 'v1').length, 2)
  finish(twin)
  assert.equal(state(twin), 'completed')
  assert.equal(message(twin), 'update completed')
  assert.equal(runningOf(twin, 'v2'), 3)
})

test('start-first: the old task serves until the new one runs', () => {
  const twin = running(2, { Order: 'start-first' })
  twin.setImage('web', 'v2')
  twin.pass()
  assert.equal(wantedOf(twin, 'v1').length, 2)
  const [fresh] = wantedOf(twin, 'v2')
  assert.equal(fresh?.desired, 'running')
  assert.ok(fresh !== undefined)
  twin.report(fresh, 'running')
  twin.pass()
  assert.deepEqual(
    wantedOf(twin, 'v1').map((task) => task.slot),
    [1, 2].filter((slot) => slot !== fresh.slot),
  )
  finish(twin)
  assert.equal(runningOf(twin, 'v2'), 2)
})

for (const { parallelism, atOnce } of [
  { parallelism: 2, atOnce: 2 },
  { parallelism: 0, atOnce: 5 },
]) {
  test(`parallelism ${parallelism} replaces ${atOnce} of five at once`, () => {
    const twin = running(5, { Parallelism: parallelism })
    twin.setImage('web', 'v2')
    twin.pass()
    assert.equal(wantedOf(twin, 'v2').length, atOnce)
  })
}

test('the delay lies between one place and the next, the monitor at the end', () => {
  const twin = running(2, { Delay: 10 * second, Monitor: 3 * second })
  twin.setImage('web', 'v2')
  twin.settle()
  assert.equal(runningOf(twin, 'v2'), 1)
  assert.equal(wantedOf(twin, 'v1').length, 1)
  assert.equal(twin.last?.wakeAtMs, twin.nowMs + 10_000)
  twin.wait(9_999)
  twin.settle()
  assert.equal(wantedOf(twin, 'v1').length, 1)
  twin.wait(1)
  twin.settle()
  assert.equal(runningOf(twin, 'v2'), 2)
  twin.wait(9_999)
  twin.settle()
  assert.equal(state(twin), 'updating')
  twin.wait(1)
  twin.settle()
  assert.equal(state(twin), 'completed')
  assert.ok(twin.service('web').updateStatus?.CompletedAt !== undefined)
})

test('a task that ends within the monitor pauses the update, in the words of Swarm', () => {
  const twin = running(3)
  twin.broken.add('v2')
  twin.setImage('web', 'v2')
  finish(twin)
  assert.equal(state(twin), 'paused')
  assert.match(message(twin), /^update paused due to failure or early termination of task \w{25}$/)
  assert.equal(runningOf(twin, 'v1'), 2, 'the others were left alone')
  twin.wait(600_000)
  twin.settle()
  assert.equal(runningOf(twin, 'v1'), 2)
})

test('a task that ran longer than the monitor before it failed is no failure of the update', () => {
  const twin = running(2, { Delay: 20 * second, Monitor: second })
  twin.setImage('web', 'v2')
  twin.settle()
  const [fresh] = wantedOf(twin, 'v2')
  assert.ok(fresh !== undefined)
  twin.wait(1500)
  twin.report(fresh, 'failed')
  finish(twin)
  assert.equal(state(twin), 'completed')
})

test('what fails is rolled back to the previous spec, which is gone then', () => {
  const twin = running(3, { FailureAction: 'rollback' })
  twin.broken.add('v2')
  twin.setImage('web', 'v2')
  finish(twin)
  assert.equal(state(twin), 'rollback_completed')
  assert.match(message(twin), /^rollback completed: update rolled back due to failure or early t/)
  assert.equal(runningOf(twin, 'v1'), 3)
  assert.equal(twin.wanted.length, 3)
  assert.equal(twin.service('web').body.PreviousSpec, undefined)
})

test('a rollback that fails pauses and is never rolled back', () => {
  const twin = running(3, { FailureAction: 'rollback' })
  twin.broken.add('v1').add('v2')
  twin.setImage('web', 'v2')
  finish(twin)
  assert.equal(state(twin), 'rollback_paused')
  assert.match(message(twin), /^rollback paused due to failure or early termination of task/)
})

test('continue goes on whatever fails', () => {
  const twin = running(3, { FailureAction: 'continue' })
  twin.broken.add('v2')
  twin.setImage('web', 'v2')
  finish(twin)
  assert.equal(state(twin), 'completed')
  assert.equal(wantedOf(twin, 'v1').length, 0)
})

test('a tolerated share of failures does not stop an update', () => {
  for (const { ratio, ends } of [
    { ratio: 0.25, ends: 'completed' },
    { ratio: 0.2, ends: 'paused' },
  ] as const) {
    const twin = running(4, { MaxFailureRatio: ratio, Monitor: second })
    twin.setImage('web', 'v2')
    twin.settle()
    const [fresh] = wantedOf(twin, 'v2')
    assert.ok(fresh !== undefined)
    twin.report(fresh, 'failed')
    finish(twin)
    assert.equal(state(twin), ends, `ratio ${ratio}`)
  }
})

test('failures are counted although history is not kept, and by a new leader too', () => {
  const twin = running(4, { MaxFailureRatio: 0.3, Parallelism: 1 })
  twin.broken.add('v2')
  twin.setImage('web', 'v2')
  finish(twin)
  assert.equal(state(twin), 'paused')
  const evidence = twin.tasks.filter((task) => task.body.IsUpdate === true && task.hasEnded)
  assert.equal(evidence.length, 2)
})

const unplaceable: Partial<ServiceSpec> = {
  TaskTemplate: {
    ContainerSpec: { Image: 'v2' },
    Resources: { Reservations: { MemoryBytes: 2 ** 50 } },
  },
}

for (const order of ['stop-first', 'start-first'] as const) {
  test(`an update that makes no progress is rolled back after its deadline, ${order}`, () => {
    const twin = running(2, { FailureAction: 'rollback', Order: order })
    twin.patchSpec('web', { ...unplaceable, Labels: { 'mesh.update.deadline': '30s' } })
    twin.settle()
    assert.equal(twin.last?.wakeAtMs, twin.nowMs + 30_000)
    twin.wait(29_999)
    twin.settle()
    assert.equal(state(twin), 'updating')
    twin.wait(1)
    twin.pass()
    assert.match(state(twin) ?? '', /^rollback_/)
    assert.match(message(twin), /did not run in time: no suitable node \(insufficient memory/)
    finish(twin)
    assert.equal(state(twin), 'rollback_completed')
    assert.equal(runningOf(twin, 'v1'), 2)
  })
}

test('without a label the deadline is ten minutes', () => {
  const twin = running(1)
  twin.patchSpec('web', unplaceable)
  twin.settle()
  twin.wait(599_999)
  twin.settle()
  assert.equal(state(twin), 'updating')
  twin.wait(1)
  twin.settle()
  assert.equal(state(twin), 'paused')
})

test('a new update goes on from the mixed state, and a paused one resumes with it', () => {
  const twin = running(3)
  twin.broken.add('v2')
  twin.setImage('web', 'v2')
  finish(twin)
  assert.equal(state(twin), 'paused')
  twin.setImage('web', 'v3')
  finish(twin)
  assert.equal(state(twin), 'completed')
  assert.equal(runningOf(twin, 'v3'), 3)
  assert.equal(twin.wanted.length, 3)
})

test('back to what some tasks still are: those stay as they are', () => {
  const twin = running(3, { Delay: second })
  const kept = new Set(twin.running.map((task) => task.id))
  twin.setImage('web', 'v2')
  twin.settle()
  twin.setImage('web', 'v1')
  finish(twin)
  assert.equal(twin.running.filter((task) => kept.has(task.id)).length, 2)
})

const harmless: readonly (readonly [string, Partial<ServiceSpec>])[] = [
  ['replicas', { Mode: { Replicated: { Replicas: 4 } } }],
  ['labels', { Labels: { a: 'b' } }],
  ['the update settings', { UpdateConfig: { Parallelism: 7 } }],
  [
    'a published port for an open target',
    { EndpointSpec: { Ports: [port(8080, 80), port(9090, 80)] } },
  ],
  ['fewer ports', { EndpointSpec: { Ports: [] } }],
  ['a constraint that holds', template({ Placement: { Constraints: ['node.role==worker'] } })],
  ['the restart policy', template({ RestartPolicy: { Condition: 'none' } })],
  ['the tag that docker adds', { TaskTemplate: { ContainerSpec: { Image: 'v1:latest' } } }],
  ['defaults written out', template({ Resources: { Limits: {} }, ForceUpdate: 0 })],
]

function port(published: number, target: number): { PublishedPort: number; TargetPort: number } {
  return { PublishedPort: published, TargetPort: target }
}

function template(more: Partial<ServiceSpec['TaskTemplate']>): Partial<ServiceSpec> {
  return { TaskTemplate: { ContainerSpec: { Image: 'v1' }, ...more } }
}

for (const [what, change] of harmless) {
  test(`changing ${what} restarts nothing`, () => {
    const twin = running(3, {}, { EndpointSpec: { Ports: [port(8080, 80)] } })
    const before = twin.running.map((task) => task.id)
    twin.patchSpec('web', change)
    twin.settle()
    for (const id of before) assert.equal(twin.task(id)?.desired, 'running')
    assert.equal(state(twin), undefined)
    assert.deepEqual(twin.pass().changes, [])
  })
}

const replacing: readonly (readonly [string, Partial<ServiceSpec>])[] = [
  ['ForceUpdate', template({ ForceUpdate: 1 })],
  ['a limit', template({ Resources: { Limits: { NanoCPUs: 1e9 } } })],
  ['a new target port', { EndpointSpec: { Ports: [port(8080, 80), port(8081, 81)] } }],
  ['an empty label', { TaskTemplate: { ContainerSpec: { Image: 'v1', Labels: { a: '' } } } }],
  ['an empty argument', { TaskTemplate: { ContainerSpec: { Image: 'v1', Args: [''] } } }],
]

for (const [what, change] of replacing) {
  test(`changing ${what} replaces every task`, () => {
    const twin = running(2, {}, { EndpointSpec: { Ports: [port(8080, 80)] } })
    const before = twin.running.map((task) => task.id)
    twin.patchSpec('web', change)
    finish(twin)
    assert.equal(state(twin), 'completed')
    for (const id of before) assert.notEqual(twin.task(id)?.desired, 'running')
  })
}

test('a constraint that some nodes do not satisfy moves their tasks one by one', () => {
  const twin = running(3)
  twin.setLabels('n1', { zone: 'a' })
  twin.settle()
  twin.patchSpec('web', template({ Placement: { Constraints: ['node.labels.zone==a'] } }))
  twin.pass()
  assert.equal(twin.tasks.filter((task) => task.stopCause === 'updated').length, 1)
  finish(twin)
  assert.ok(twin.running.every((task) => task.node === idOf('n1')))
})

test('a surge does not count against the most that one node may have', () => {
  const twin = running(3, { Order: 'start-first' }, template({ Placement: { MaxReplicas: 1 } }))
  twin.patchSpec('web', {
    TaskTemplate: { ContainerSpec: { Image: 'v2' }, Placement: { MaxReplicas: 1 } },
  })
  finish(twin)
  assert.equal(runningOf(twin, 'v2'), 3)
  assert.equal(new Set(twin.running.map((task) => task.node)).size, 3)
})

for (const order of ['stop-first', 'start-first'] as const) {
  test(`a global service is updated node by node, ${order}`, () => {
    const twin = running(0, { Order: order }, { Mode: { Global: {} } })
    assert.equal(twin.running.length, 3)
    twin.setImage('web', 'v2')
    twin.pass()
    assert.equal(wantedOf(twin, 'v2').length, 1)
    assert.equal(wantedOf(twin, 'v1').length, order === 'stop-first' ? 2 : 3)
    finish(twin)
    assert.equal(state(twin), 'completed')
    assert.equal(runningOf(twin, 'v2'), 3)
    assert.equal(new Set(twin.running.map((task) => task.node)).size, 3)
  })
}

test('a global service whose tasks leave no room for another is updated all the same', () => {
  const Resources = { Reservations: { MemoryBytes: 5 * 2 ** 30 } }
  const twin = running(0, {}, { Mode: { Global: {} }, ...template({ Resources }) })
  twin.patchSpec('web', { TaskTemplate: { ContainerSpec: { Image: 'v2' }, Resources } })
  finish(twin)
  assert.equal(runningOf(twin, 'v2'), 3)
})

test('a paused node keeps its task of a global service until it is active again', () => {
  const twin = running(0, {}, { Mode: { Global: {} } })
  twin.setAvailability('n2', 'pause')
  twin.setImage('web', 'v2')
  finish(twin)
  assert.equal(state(twin), 'completed')
  assert.deepEqual(
    wantedOf(twin, 'v1').map((task) => task.node),
    [idOf('n2')],
  )
  twin.setAvailability('n2', 'active')
  finish(twin)
  assert.equal(runningOf(twin, 'v2'), 3)
})

test('a drain moves as many at a time as an update would', () => {
  const twin = running(6, { Parallelism: 2, Order: 'start-first' })
  twin.setAvailability('n1', 'drain')
  twin.pass()
  assert.equal(twin.wanted.length, 8)
  twin.settle()
  assert.equal(twin.wanted.length, 6)
  assert.ok(twin.running.every((task) => task.node !== idOf('n1')))
})

test('a task whose node lost the label is rejected and replaced where it fits', () => {
  const twin = running(1, {}, template({ Placement: { Constraints: ['node.labels.zone==a'] } }))
  const [waiting] = twin.wanted
  assert.equal(waiting?.state, 'pending')
  twin.setLabels('n1', { zone: 'a' })
  twin.settle()
  assert.equal(twin.running[0]?.node, idOf('n1'), 'placed as soon as it fits')
  twin.setLabels('n1', {})
  twin.setLabels('n2', { zone: 'a' })
  twin.settle()
  assert.equal(twin.running[0]?.node, idOf('n2'))
  const rejected = twin.tasks.find((task) => task.node === idOf('n1'))
  assert.equal(rejected?.state, 'rejected')
  assert.equal(rejected?.body.Status.Err, 'assigned node no longer meets constraints')
})
