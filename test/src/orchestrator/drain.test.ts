import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServiceSpec } from '../../../src/model/docker.ts'
import { ClusterTwin, idOf } from './cluster-twin.ts'

function onOneNode(spec: Partial<ServiceSpec> = {}): ClusterTwin {
  const twin = new ClusterTwin()
  twin.addNode('n1')
  twin.addService('web', spec)
  twin.settle()
  return twin
}

test('a task of a drained node stops once its successor runs elsewhere', () => {
  const twin = onOneNode()
  twin.addNode('n2')
  twin.setAvailability('n1', 'drain')
  twin.pass()
  assert.equal(twin.wanted.length, 2, 'the successor starts while the old one serves')
  const successor = twin.wanted.find((task) => task.node === idOf('n2'))
  assert.equal(successor?.slot, 1)
  twin.pass()
  assert.equal(twin.wanted.length, 2)
  twin.settle()
  assert.deepEqual(
    twin.wanted.map(({ id }) => id),
    [successor?.id],
  )
  assert.equal(twin.tasks.find((task) => task.node === idOf('n1'))?.stopCause, 'node-drained')
})

test('whoever asks for stop-first never has two tasks that are meant to run', () => {
  const twin = onOneNode({ UpdateConfig: { Order: 'stop-first' } })
  twin.addNode('n2')
  twin.setAvailability('n1', 'drain')
  twin.pass()
  assert.deepEqual(
    twin.wanted.map((task) => task.node),
    [idOf('n2')],
  )
})

test('a drained node is empty after a minute even when nobody else can take its tasks', () => {
  const twin = onOneNode()
  twin.setAvailability('n1', 'drain')
  twin.settle()
  assert.equal(twin.running.length, 1)
  twin.wait(60_000)
  twin.settle()
  assert.equal(twin.running.length, 0)
  assert.deepEqual(
    twin.wanted.map((task) => task.state),
    ['pending'],
  )
})

test('a successor that fails is started again with the restart delay, not in a circle', () => {
  const twin = onOneNode()
  twin.addNode('n2')
  twin.setAvailability('n1', 'drain')
  twin.pass()
  const successor = twin.wanted.find((task) => task.node === idOf('n2'))
  assert.ok(successor !== undefined)
  twin.report(successor, 'failed')
  twin.pass()
  const second = twin.wanted.find((task) => task.node === idOf('n2'))
  assert.equal(second?.desired, 'ready')
  assert.ok(twin.wanted.some((task) => task.node === idOf('n1')))
})

test('a paused node keeps its tasks and gets no new ones', () => {
  const twin = onOneNode()
  twin.setAvailability('n1', 'pause')
  twin.scale('web', 2)
  twin.settle()
  assert.equal(twin.running.length, 1)
  const waiting = twin.wanted.find((task) => task.state === 'pending')
  assert.equal(waiting?.body.Status.Err, 'no suitable node (paused on 1 node)')
})
