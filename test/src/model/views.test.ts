import assert from 'node:assert/strict'
import { test } from 'node:test'
import { serviceByName, serviceView } from '../../../src/model/service-view.ts'
import { taskName, taskView } from '../../../src/model/task-view.ts'
import { ClusterTwin } from '../orchestrator/cluster-twin.ts'

test('a service without settings has those of Swarm', () => {
  const twin = new ClusterTwin()
  twin.addService('web')
  const { mode, template, ports, labels } = twin.service('web')
  assert.deepEqual(mode, { kind: 'replicated', replicas: 1 })
  assert.deepEqual(template.restart, {
    condition: 'any',
    delayMs: 5000,
    maxAttempts: 0,
    windowMs: 0,
  })
  assert.equal(template.stopGraceMs, 10_000)
  assert.equal(template.stopSignal, null)
  assert.deepEqual(template.reservations, { nanoCpus: 0, memoryBytes: 0 })
  assert.deepEqual([ports, labels, template.constraints], [[], {}, []])
})

test('what is set is read, nanoseconds as milliseconds', () => {
  const twin = new ClusterTwin()
  twin.addService('web', {
    Labels: { 'mesh.drain': '3s' },
    Mode: { Replicated: { Replicas: 0 } },
    TaskTemplate: {
      ContainerSpec: { Image: 'nginx', StopGracePeriod: 1e9, StopSignal: 'SIGQUIT' },
      RestartPolicy: { Condition: 'on-failure', Delay: 0, MaxAttempts: 3, Window: 2e9 },
      Placement: { MaxReplicas: 2, Constraints: ['node.role==worker'] },
    },
    EndpointSpec: { Ports: [{ TargetPort: 80, PublishedPort: 8080 }] },
  })
  const service = twin.service('WEB')
  assert.deepEqual(service.mode, { kind: 'replicated', replicas: 0 })
  assert.equal(service.mesh.drainMs, 3000)
  assert.equal(service.template.stopGraceMs, 1000)
  assert.equal(service.template.stopSignal, 'SIGQUIT')
  assert.deepEqual(service.template.restart, {
    condition: 'on-failure',
    delayMs: 0,
    maxAttempts: 3,
    windowMs: 2000,
  })
  assert.equal(service.template.maxReplicasPerNode, 2)
  assert.deepEqual(service.ports, [
    { name: '', protocol: 'tcp', targetPort: 80, publishedPort: 8080, publishMode: 'ingress' },
  ])
})

test('a name finds its service, and nothing when there is none', () => {
  assert.equal(serviceByName(new ClusterTwin().catalog, 'web'), undefined)
})

test('a task keeps the drain time of its service', () => {
  const twin = new ClusterTwin()
  twin.addNode('n1')
  twin.addService('web', { Labels: { 'mesh.drain': '3s', team: 'a' } })
  twin.pass()
  const [task] = twin.tasks
  assert.ok(task !== undefined)
  assert.equal(task.drainMs, 3000)
  assert.deepEqual(task.body.Labels, { 'mesh.drain': '3s' })
  assert.equal(taskName(task), 'web.1')
})

test('a view of another kind of object is a bug', () => {
  const twin = new ClusterTwin()
  twin.addService('web')
  const [object] = twin.catalog.list('service')
  assert.ok(object !== undefined)
  assert.throws(() => taskView(object), { name: 'InvariantError' })
  assert.throws(() => serviceView({ ...object, kind: 'task' }), { name: 'InvariantError' })
})
