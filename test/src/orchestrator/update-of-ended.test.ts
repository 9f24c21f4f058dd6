import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { UpdateConfig } from '../../../src/model/docker.ts'
import { ClusterTwin } from './cluster-twin.ts'

const second = 1e9

/** A service whose tasks ended, and are not restarted. */
function ended(update: UpdateConfig = {}, mode: 'replicated' | 'global' = 'replicated') {
  const twin = new ClusterTwin()
  for (const name of ['n1', 'n2']) twin.addNode(name)
  twin.broken.add('v1')
  twin.addService('web', {
    Mode: mode === 'global' ? { Global: {} } : { Replicated: { Replicas: 2 } },
    UpdateConfig: { Parallelism: 0, Monitor: second, ...update },
    TaskTemplate: { ContainerSpec: { Image: 'v1' }, RestartPolicy: { Condition: 'none' } },
  })
  twin.settle()
  assert.equal(twin.wanted.length, 0)
  return twin
}

const status = (twin: ClusterTwin) => twin.service('web').updateStatus

for (const mode of ['replicated', 'global'] as const) {
  test(`what mends a ${mode} service that failed for good is an update like any other`, () => {
    const twin = ended({}, mode)
    twin.setImage('web', 'v2')
    // Whenever the tasks ended, the update has its full time.
    twin.wait(3_600_000)
    twin.settle()
    assert.equal(status(twin)?.State, 'updating')
    assert.equal(twin.running.length, 2)
    twin.wait(1_000)
    twin.settle()
    assert.equal(status(twin)?.State, 'completed')
  })

  test(`what does not mend a ${mode} service that failed for good is a failed update`, () => {
    const twin = ended({}, mode)
    twin.broken.add('v2')
    twin.setImage('web', 'v2')
    twin.settle()
    assert.equal(status(twin)?.State, 'paused')
  })
}
