import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Random, SeededRandom } from '../../../mesh/base/random.ts'
import type { ServiceSpec } from '../../../src/model/docker.ts'
import { nodeById } from '../../../src/model/node-view.ts'
import type { TaskView } from '../../../src/model/task-view.ts'
import { isPresent, presenceOf } from '../../../src/orchestrator/lost-nodes.ts'
import { emptyMemory } from '../../../src/orchestrator/memory.ts'
import { ClusterTwin, idOf } from './cluster-twin.ts'

const names = ['n1', 'n2', 'n3', 'n4']
const images = ['v1', 'v2', 'v3', 'broken']
const surge = { web: 2, db: 0, agent: 1 }
const second = 1e9

const constrained = (image: string): ServiceSpec['TaskTemplate'] => ({
  ContainerSpec: { Image: image },
  RestartPolicy: { Delay: second },
  Placement: { Constraints: ['node.labels.zone!=c'] },
})

function startCluster(seed: number): ClusterTwin {
  const twin = new ClusterTwin(seed)
  twin.broken.add('broken')
  for (const name of names) twin.addNode(name)
  const TaskTemplate = constrained('v1')
  twin.addService('web', {
    TaskTemplate,
    Mode: { Replicated: { Replicas: 5 } },
    UpdateConfig: { Order: 'start-first', Parallelism: 2, FailureAction: 'rollback' },
    RollbackConfig: { Order: 'start-first', Parallelism: 2 },
  })
  twin.addService('db', {
    TaskTemplate,
    Mode: { Replicated: { Replicas: 3 } },
    UpdateConfig: { Order: 'stop-first', Delay: 2 * second, MaxFailureRatio: 0.4 },
  })
  twin.addService('agent', {
    TaskTemplate,
    Mode: { Global: {} },
    UpdateConfig: { Order: 'start-first', FailureAction: 'continue' },
  })
  twin.settle()
  return twin
}

const brief = ({
  serviceName,
  slot,
  node,
  spec,
  state,
  desired,
  stopCause,
  body,
}: TaskView): string =>
  `${serviceName}.${slot} ${spec.image} on ${node ?? 'none'}: ${state}/${desired} ${stopCause ?? ''} ${body.IsUpdate ?? ''} ${body.NotBefore ?? ''}`

const oneOf = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)] as T

/** One thing that happens; at most one node is away at a time. */
function disturb(twin: ClusterTwin, random: Random): void {
  const name = oneOf(random, names)
  const away = names.some((one) => !isPresent(presenceOf(twin.view.observed, idOf(one))))
  const service = oneOf(random, ['web', 'db', 'agent'])
  switch (random.below(9)) {
    case 0:
      return away ? twin.setMember(name, 'alive') : lose(twin, name)
    case 1:
      for (const one of names) twin.setMember(one, 'alive')
      return
    case 2:
    case 3:
      return twin.patchSpec(service, { TaskTemplate: constrained(oneOf(random, images)) })
    case 4:
      return twin.setAvailability(name, oneOf(random, ['active', 'drain', 'active', 'pause']))
    case 5:
      return twin.setLabels(name, { zone: oneOf(random, ['a', 'b', 'c']) })
    case 6:
      return failOne(twin, random)
    case 7:
      twin.memory = emptyMemory
      return
    default:
      return twin.wait(random.below(30_000))
  }
}

function failOne(twin: ClusterTwin, random: Random): void {
  const task = twin.running[random.below(Math.max(1, twin.running.length))]
  if (task?.node && twin.members.get(task.node)?.state === 'alive') twin.report(task, 'failed')
}

/** What its node does, whatever the leader knows of it; of a node that was lost nobody knows. */
const reallyRuns = (twin: ClusterTwin, task: TaskView): boolean =>
  twin.records.get(task.id)?.record.state === 'running' && !cutOff.has(task.id)

/** Tasks whose node was away while they ran. */
const cutOff = new Set<string>()

function lose(twin: ClusterTwin, name: string): void {
  for (const task of twin.tasks) if (task.node === idOf(name)) cutOff.add(task.id)
  twin.setMember(name, 'dead')
}

function assertSound(twin: ClusterTwin, where: string): void {
  for (const [name, most] of Object.entries(surge)) {
    const wanted = twin.wanted.filter((task) => task.serviceName === name)
    const { mode } = twin.service(name)
    const desired = mode.kind === 'replicated' ? mode.replicas : names.length
    assert.ok(
      wanted.length <= desired + most,
      `${name} has ${wanted.length} tasks, ${where}\n${wanted.map(brief).join('\n')}\n${JSON.stringify(twin.service(name).updateStatus)}`,
    )
  }
  const places = new Set<number>()
  for (const task of twin.tasks.filter(({ serviceName }) => serviceName === 'db')) {
    if (!reallyRuns(twin, task)) continue
    assert.ok(!places.has(task.slot), `two tasks run in db.${task.slot}, ${where}`)
    places.add(task.slot)
  }
  for (const task of twin.wanted) {
    const node = nodeById(twin.catalog, task.node ?? '')
    if (node?.availability !== 'active') continue
    assert.notEqual(node.labels['zone'], 'c', `${task.serviceName} does not fit, ${where}`)
  }
}

test('updates, drains, failures and leaders that change: never too many, never two in a place', () => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = new SeededRandom(seed)
    const twin = startCluster(seed)
    for (let step = 0; step < 60; step++) {
      disturb(twin, random)
      twin.pass()
      assertSound(twin, `seed ${seed}, step ${step}`)
      const before = twin.tasks.map(brief).join('\n')
      const again = twin.pass().changes.length
      assert.equal(
        again,
        0,
        `seed ${seed}, step ${step}:\n${before}\n→\n${twin.tasks.map(brief).join('\n')}`,
      )
      if (random.below(3) > 0) twin.runAgents()
      assertSound(twin, `seed ${seed}, after step ${step}`)
    }
    calmDown(twin)
    assertAtRest(twin, seed)
  }
})

/** All is well again, and everybody is given another image that works. */
function calmDown(twin: ClusterTwin): void {
  for (const name of names) {
    twin.setMember(name, 'alive')
    twin.setAvailability(name, 'active')
    twin.setLabels(name, { zone: 'a' })
  }
  for (const name of Object.keys(surge)) {
    twin.patchSpec(name, { TaskTemplate: constrained('v4') })
  }
  for (let round = 0; round < 60; round++) {
    twin.settle(100)
    assertSound(twin, 'calm')
    twin.wait(5_000)
  }
  twin.settle(100)
}

function assertAtRest(twin: ClusterTwin, seed: number): void {
  for (const name of Object.keys(surge)) {
    const { mode, updateStatus } = twin.service(name)
    const tasks = twin.running.filter((task) => task.serviceName === name)
    const desired = mode.kind === 'replicated' ? mode.replicas : names.length
    assert.equal(tasks.length, desired, `${name}, seed ${seed}`)
    assert.ok(
      tasks.every((task) => task.spec.image === 'v4'),
      `${name}, seed ${seed}`,
    )
    // Where no task was left to replace there was nothing to update.
    assert.equal(updateStatus?.State ?? 'completed', 'completed', `${name}, seed ${seed}`)
  }
  assert.equal(twin.wanted.length, twin.running.length, `seed ${seed}`)
}
