import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TaskSpec } from '../../../src/model/docker.ts'
import { whyPending } from '../../../src/orchestrator/why-pending.ts'
import { ClusterTwin, idOf } from './cluster-twin.ts'

const global = (
  template: Partial<TaskSpec> = {},
): { Mode: { Global: {} }; TaskTemplate: TaskSpec } => ({
  Mode: { Global: {} },
  TaskTemplate: { ContainerSpec: { Image: 'agent' }, ...template },
})

function cluster(): ClusterTwin {
  const twin = new ClusterTwin()
  twin.addNode('n1', { labels: { zone: 'a' } })
  twin.addNode('n2', { labels: { zone: 'b' } })
  return twin
}

const nodesOf = (twin: ClusterTwin): string[] =>
  twin.running.map((task) => String(task.node)).sort()

test('every node that fits has one task, a new node too', () => {
  const twin = cluster()
  twin.addService('agent', global())
  twin.settle()
  assert.deepEqual(nodesOf(twin), [idOf('n1'), idOf('n2')])
  twin.addNode('n3')
  twin.settle()
  assert.deepEqual(nodesOf(twin), [idOf('n1'), idOf('n2'), idOf('n3')])
  assert.deepEqual(twin.pass().changes, [])
})

test('a node that fits no more loses its task, and gets another when it fits again', () => {
  const twin = cluster()
  twin.addService('agent', global({ Placement: { Constraints: ['node.labels.zone==a'] } }))
  twin.settle()
  assert.deepEqual(nodesOf(twin), [idOf('n1')])
  const relabel = (zone: string): void =>
    twin.patchNode('n1', (node) => ({ ...node, Spec: { ...node.Spec, Labels: { zone } } }))
  relabel('c')
  twin.settle()
  assert.deepEqual(nodesOf(twin), [])
  assert.equal(twin.tasks[0]?.stopCause, 'not-eligible')
  relabel('a')
  twin.settle()
  assert.deepEqual(nodesOf(twin), [idOf('n1')])
})

test('a drained node has none, a paused one keeps what it has', () => {
  const twin = cluster()
  twin.addService('agent', global())
  twin.settle()
  twin.setAvailability('n1', 'drain')
  twin.setAvailability('n2', 'pause')
  twin.settle()
  assert.deepEqual(nodesOf(twin), [idOf('n2')])
})

test('a lost node has none, and one again when it is back', () => {
  const twin = cluster()
  twin.addService('agent', global())
  twin.settle()
  twin.setMember('n1', 'dead')
  twin.pass()
  twin.wait(2000)
  twin.settle()
  assert.deepEqual(nodesOf(twin), [idOf('n2')])
  twin.setMember('n1', 'alive')
  twin.settle()
  assert.deepEqual(nodesOf(twin), [idOf('n1'), idOf('n2')])
})

test('nothing is kept of tasks on a node that was removed', () => {
  const twin = cluster()
  twin.addService('agent', global())
  twin.settle()
  twin.remove('node', idOf('n1'))
  twin.settle()
  assert.deepEqual(
    twin.tasks.map((task) => task.node),
    [idOf('n2')],
  )
})

test('an ended task is replaced on its node with the delay, by the policy', () => {
  const twin = cluster()
  twin.addService('agent', global({ RestartPolicy: { Condition: 'on-failure' } }))
  twin.settle()
  const [first, second] = twin.running
  assert.ok(first !== undefined && second !== undefined)
  twin.report(first, 'complete')
  twin.report(second, 'failed')
  twin.pass()
  assert.deepEqual(
    twin.wanted.map((task) => [task.node, task.desired]),
    [[second.node, 'ready']],
  )
})

test('it says which nodes fit but cannot take it, and when none fits', () => {
  const twin = cluster()
  const needs = { Reservations: { MemoryBytes: 9 * 2 ** 30 } }
  const big = twin.addService('big', global({ Resources: needs }))
  const nowhere = twin.addService(
    'nowhere',
    global({ Placement: { Constraints: ['node.labels.zone==x'] } }),
  )
  const { explanations } = twin.pass()
  assert.equal(explanations.get(big)?.lines[0]?.text, '2 nodes: insufficient memory')
  assert.match(explanations.get(nowhere)?.lines[0]?.text ?? '', /2 nodes: constraint/)
  assert.deepEqual(whyPending(twin.view, twin.service('big')), explanations.get(big))
})
