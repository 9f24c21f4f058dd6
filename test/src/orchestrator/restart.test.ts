import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TaskSpec, TaskState } from '../../../src/model/docker.ts'
import type { TaskView } from '../../../src/model/task-view.ts'
import { emptyMemory } from '../../../src/orchestrator/memory.ts'
import { ClusterTwin } from './cluster-twin.ts'

function oneTask(policy: TaskSpec['RestartPolicy'] = {}): ClusterTwin {
  const twin = new ClusterTwin()
  twin.addNode('n1')
  twin.addService('web', {
    TaskTemplate: { ContainerSpec: { Image: 'nginx' }, RestartPolicy: policy },
  })
  twin.settle()
  return twin
}

function endTask(twin: ClusterTwin, state: TaskState = 'failed'): void {
  const [task] = twin.running
  assert.ok(task !== undefined, 'a task runs')
  twin.report(task, state)
  twin.pass()
}

const wantedOne = (twin: ClusterTwin): TaskView | undefined => twin.wanted[0]

test('a failed task is replaced in its slot, placed at once and started after five seconds', () => {
  const twin = oneTask()
  endTask(twin)
  const [old] = twin.tasks.filter((task) => task.hasEnded)
  assert.equal(old?.desired, 'shutdown')
  assert.equal(old?.body.Status.Err, 'task: non-zero exit (1)')
  assert.equal(wantedOne(twin)?.slot, 1)
  assert.equal(wantedOne(twin)?.desired, 'ready')
  assert.equal(wantedOne(twin)?.state, 'assigned')
  assert.equal(twin.last?.wakeAtMs, twin.nowMs + 5000)
  twin.wait(4999)
  twin.pass()
  assert.equal(wantedOne(twin)?.desired, 'ready')
  twin.wait(1)
  twin.pass()
  assert.equal(wantedOne(twin)?.desired, 'running')
})

test('without a delay the replacement may start at once', () => {
  const twin = oneTask({ Delay: 0 })
  endTask(twin)
  assert.equal(wantedOne(twin)?.desired, 'running')
})

/** Rejected while it is prepared, as for a missing image: long before its delay is over. */
function rejectWhatIsPlaced(twin: ClusterTwin): void {
  for (const task of twin.wanted) if (task.node !== null) twin.report(task, 'rejected')
  twin.pass()
}

for (const mode of [{ Replicated: { Replicas: 1 } }, { Global: {} }]) {
  test(`who is rejected before it may start is followed once a delay, ${JSON.stringify(mode)}`, () => {
    const twin = new ClusterTwin()
    twin.addNode('n1')
    twin.addService('web', {
      Mode: mode,
      TaskTemplate: { ContainerSpec: { Image: 'nginx' }, RestartPolicy: {} },
    })
    twin.pass()
    const made = new Set<string>()
    for (let atMs = 0; atMs < 60_000; atMs += 100) {
      for (const task of twin.tasks) made.add(task.id)
      rejectWhatIsPlaced(twin)
      twin.wait(100)
    }
    // Two at once, then 5 s, 5 s, 6 s, 7 s, 9 s, 13 s …
    assert.ok(made.size >= 6 && made.size <= 10, `${made.size} tasks in a minute`)
  })
}

const conditions = [
  { condition: 'any', state: 'complete', restarts: true },
  { condition: 'any', state: 'failed', restarts: true },
  { condition: 'any', state: 'shutdown', restarts: true },
  { condition: 'on-failure', state: 'complete', restarts: false },
  { condition: 'on-failure', state: 'failed', restarts: true },
  { condition: 'on-failure', state: 'rejected', restarts: true },
  { condition: 'none', state: 'failed', restarts: false },
  { condition: 'none', state: 'complete', restarts: false },
] as const

for (const { condition, state, restarts } of conditions) {
  test(`condition ${condition}: a task that ended as ${state} is ${restarts ? '' : 'not '}replaced`, () => {
    const twin = oneTask({ Condition: condition })
    endTask(twin, state)
    assert.equal(twin.wanted.length, restarts ? 1 : 0)
    twin.wait(3_600_000)
    twin.settle()
    assert.equal(twin.wanted.length, restarts ? 1 : 0, 'also later')
  })
}

test('after its attempts a place stays empty', () => {
  const twin = oneTask({ Delay: 0, MaxAttempts: 7 })
  let restarts = 0
  for (; twin.running.length > 0 && restarts < 20; restarts++) {
    twin.wait(61_000)
    endTask(twin)
    twin.settle()
  }
  assert.equal(restarts, 8, 'the first run and seven attempts')
  assert.equal(twin.tasks.length, 8, 'what is counted is kept beyond the history limit')
  assert.deepEqual(twin.pass().changes, [])
})

test('attempts before the window do not count', () => {
  const twin = oneTask({ Delay: 0, MaxAttempts: 1, Window: 60e9 })
  for (let run = 0; run < 4; run++) {
    twin.wait(61_000)
    endTask(twin)
    twin.settle()
    assert.equal(twin.running.length, 1)
  }
  twin.wait(5000)
  endTask(twin)
  twin.wait(60_000)
  twin.settle()
  assert.equal(twin.running.length, 0)
})

test('a place that gave up starts again when its service asks for something else', () => {
  const twin = oneTask({ Condition: 'none' })
  endTask(twin)
  assert.equal(twin.wanted.length, 0)
  twin.patchSpec('web', { TaskTemplate: { ContainerSpec: { Image: 'nginx:2' } } })
  twin.settle()
  assert.equal(twin.running[0]?.spec.image, 'nginx:2')
})

test('a settled place counts as one of the replicas', () => {
  const twin = oneTask({ Condition: 'none' })
  endTask(twin, 'complete')
  twin.scale('web', 2)
  twin.settle()
  assert.deepEqual(
    twin.wanted.map((task) => task.slot),
    [2],
  )
})

test('history keeps five tasks of a slot, the running one included', () => {
  const twin = oneTask({ Delay: 0 })
  for (let run = 0; run < 9; run++) {
    twin.wait(61_000)
    endTask(twin)
    twin.settle()
  }
  assert.equal(twin.tasks.length, 5)
  assert.equal(twin.running.length, 1)
})

test('quick failures in a row wait longer and longer, to a minute; a long run forgives them', () => {
  const twin = oneTask({ Delay: 2e9 })
  const waits: number[] = []
  for (let run = 0; run < 12; run++) {
    endTask(twin)
    const dueAtMs = twin.last?.wakeAtMs ?? 0
    waits.push(dueAtMs - twin.nowMs)
    twin.memory = emptyMemory
    twin.wait(dueAtMs - twin.nowMs)
    twin.settle()
  }
  const seconds = waits.map((ms) => ms / 1000)
  assert.deepEqual(seconds, [2, 2, 2, 3, 4, 6, 10, 18, 34, 62, 62, 62])
  twin.wait(61_000)
  endTask(twin)
  assert.equal(twin.last?.wakeAtMs, twin.nowMs + 2000)
})
