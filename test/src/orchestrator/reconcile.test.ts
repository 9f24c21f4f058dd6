import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Random, SeededRandom } from '../../../mesh/base/random.ts'
import { isPresent, presenceOf } from '../../../src/orchestrator/lost-nodes.ts'
import { emptyMemory } from '../../../src/orchestrator/memory.ts'
import { ClusterTwin, idOf } from './cluster-twin.ts'

const names = ['n1', 'n2', 'n3', 'n4', 'n5']

function startCluster(seed: number): ClusterTwin {
  const twin = new ClusterTwin(seed)
  for (const name of names) twin.addNode(name)
  twin.addService('web', { Mode: { Replicated: { Replicas: 6 } } })
  twin.addService('agent', { Mode: { Global: {} } })
  twin.settle()
  return twin
}

/** One thing that happens to a cluster; at most two nodes are away at a time. */
function disturb(twin: ClusterTwin, random: Random): void {
  const name = names[random.below(names.length)] ?? 'n1'
  const away = names.filter((one) => !isPresent(presenceOf(twin.view.observed, idOf(one))))
  switch (random.below(6)) {
    case 0:
      return away.length < 2 ? twin.setMember(name, 'dead') : twin.setMember(name, 'alive')
    case 1:
      return twin.setMember(name, 'alive')
    case 2:
      return twin.scale('web', random.below(12))
    case 3:
      return twin.setAvailability(name, random.below(2) === 0 ? 'drain' : 'active')
    case 4:
      return failOne(twin, random)
    default:
      return twin.wait(random.below(90_000))
  }
}

function failOne(twin: ClusterTwin, random: Random): void {
  const task = twin.running[random.below(Math.max(1, twin.running.length))]
  if (task?.node && twin.members.get(task.node)?.state === 'alive') twin.report(task, 'failed')
}

/** Long enough for every delay, for every budget and for a drain that nobody helps. */
function letRest(twin: ClusterTwin): void {
  for (let round = 0; round < 12; round++) {
    twin.settle(60)
    twin.wait(30_000)
  }
  twin.settle(60)
}

test('whatever happens, in the end every place has exactly one running task', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = new SeededRandom(seed)
    const twin = startCluster(seed)
    for (let step = 0; step < 25; step++) {
      disturb(twin, random)
      twin.pass()
      if (random.below(2) === 0) twin.runAgents()
    }
    twin.setMember('n1', 'alive')
    twin.setAvailability('n1', 'active')
    letRest(twin)
    assertAtRest(twin, seed)
  }
})

function assertAtRest(twin: ClusterTwin, seed: number): void {
  const mode = twin.service('web').mode
  assert.ok(mode.kind === 'replicated')
  const web = twin.running.filter((task) => task.serviceName === 'web')
  assert.equal(web.length, mode.replicas, `replicas, seed ${seed}`)
  const slots = new Set(web.map((task) => task.slot))
  assert.equal(slots.size, mode.replicas, `slots, seed ${seed}`)
  assert.equal(twin.wanted.length, twin.running.length, `nothing waits, seed ${seed}`)
  for (const task of web) {
    assert.ok(task.node !== null)
    assert.equal(twin.members.get(task.node)?.state, 'alive', `on a living node, seed ${seed}`)
  }
  const agents = twin.running.filter((task) => task.serviceName === 'agent')
  const fit = names.filter(
    (name) => twin.members.get(idOf(name))?.state === 'alive' && !isDrained(twin, name),
  )
  assert.deepEqual(
    agents.map((task) => String(task.node)).sort(),
    fit.map(idOf).sort(),
    `global, seed ${seed}`,
  )
  assert.deepEqual(twin.pass().changes, [], `a fixpoint, seed ${seed}`)
}

function isDrained(twin: ClusterTwin, name: string): boolean {
  const body = twin.catalog.get('node', idOf(name))?.body as {
    readonly Spec?: { readonly Availability?: string }
  }
  return body.Spec?.Availability === 'drain'
}

test('after a pass, the next one about the same facts has nothing to do', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = new SeededRandom(seed)
    const twin = startCluster(seed)
    for (let step = 0; step < 25; step++) {
      disturb(twin, random)
      twin.pass()
      assert.deepEqual(twin.pass().changes, [], `seed ${seed}, step ${step}`)
      twin.runAgents()
    }
  }
})

test('a new leader, who remembers nothing, changes nothing in a cluster at rest', () => {
  const twin = startCluster(1)
  twin.memory = emptyMemory
  assert.deepEqual(twin.pass().changes, [])
})
