import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeDescription } from '../../../src/model/docker.ts'
import { nodeById } from '../../../src/model/node-view.ts'
import { ClusterTwin, idOf } from './cluster-twin.ts'

const gigabyte = 2 ** 30

/** Two tasks of two gigabytes on `big`, and room for one of them on `other`. */
function crowded(): ClusterTwin {
  const twin = new ClusterTwin()
  twin.addNode('big', { memoryBytes: 4 * gigabyte })
  twin.addService('db', {
    TaskTemplate: {
      ContainerSpec: { Image: 'db' },
      Resources: { Reservations: { MemoryBytes: 2 * gigabyte } },
      RestartPolicy: { Delay: 60e9 },
    },
    Mode: { Replicated: { Replicas: 2 } },
  })
  twin.settle()
  twin.addNode('other', { memoryBytes: 2 * gigabyte })
  twin.settle()
  return twin
}

/** What the node says of itself from now on. */
function say(twin: ClusterTwin, engineReady: boolean, change: Partial<NodeDescription>): void {
  const id = idOf('big')
  const record = twin.nodeRecords.get(id)
  assert.ok(record !== undefined)
  const description = { ...record.description, ...change }
  twin.nodeRecords.set(id, { ...record, engineReady, description })
}

const shrink = (twin: ClusterTwin): void =>
  say(twin, true, { Resources: { NanoCPUs: 4e9, MemoryBytes: 3 * gigabyte } })

const placesOf = (twin: ClusterTwin): string[] =>
  twin.running.map(({ node }) => (node === idOf('big') ? 'big' : 'other')).toSorted()

test('a node that shrank keeps what fits, oldest first; the rest runs elsewhere, without delay', () => {
  const twin = crowded()
  const [oldest, youngest] = twin.tasks
  shrink(twin)
  twin.settle()
  assert.deepEqual(placesOf(twin), ['big', 'other'])
  assert.equal(twin.task(oldest?.id ?? '')?.state, 'running')
  const { stopCause, body } = twin.task(youngest?.id ?? '') ?? {}
  assert.equal(stopCause, 'not-eligible')
  assert.equal(body?.Status.State, 'rejected')
  assert.equal(body?.Status.Err, 'assigned node no longer meets constraints')
})

test('a paused node keeps what it has until it is active again', () => {
  const twin = crowded()
  twin.setAvailability('big', 'pause')
  shrink(twin)
  twin.settle()
  assert.deepEqual(placesOf(twin), ['big', 'big'])
  twin.setAvailability('big', 'active')
  twin.settle()
  assert.deepEqual(placesOf(twin), ['big', 'other'])
})

test('a daemon whose engine has not answered yet says nothing that would cost its tasks', () => {
  const twin = crowded()
  const before = nodeById(twin.catalog, idOf('big'))?.body.Description
  say(twin, false, {
    Platform: { Architecture: '', OS: '' },
    Resources: { NanoCPUs: 0, MemoryBytes: 0 },
    Engine: { EngineVersion: '' },
    ApiAddress: '10.0.0.9:2377',
  })
  twin.settle()
  assert.deepEqual(placesOf(twin), ['big', 'big'])
  const after = nodeById(twin.catalog, idOf('big'))?.body.Description
  assert.deepEqual(after, { ...before, ApiAddress: '10.0.0.9:2377' })
})
