import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServiceSpec } from '../../../src/client/types.ts'
import { updatedSpec } from '../../../src/meshctl/service-update-spec.ts'
import { startApi } from '../../support/api-server.ts'
import { meshctl } from '../../support/fake-io.ts'

const spec: ServiceSpec = {
  Name: 'web',
  Labels: { a: '1', b: '2' },
  TaskTemplate: {
    ContainerSpec: {
      Image: 'nginx:1',
      Env: ['A=1', 'B=2'],
      Labels: { x: 'y' },
      Sysctls: { 'net.core.somaxconn': '9' },
    },
    Resources: { Limits: { NanoCPUs: 5e8 } },
    RestartPolicy: { Condition: 'any', MaxAttempts: 3 },
    Placement: { Constraints: ['node.role==worker'], MaxReplicas: 2 },
    ForceUpdate: 4,
    Networks: ['kept'],
  },
  Mode: { Replicated: { Replicas: 2 } },
  UpdateConfig: { Parallelism: 2, Order: 'start-first' },
  EndpointSpec: {
    Mode: 'vip',
    Ports: [{ Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'ingress' }],
  },
}

test('what no flag names stays as it is', () => {
  const { RestartPolicy: _policy, ...task } = spec.TaskTemplate
  const updated = updatedSpec(spec, {}, {})
  assert.deepEqual(updated.TaskTemplate.RestartPolicy, spec.TaskTemplate.RestartPolicy)
  const { Reservations: _none, ...resources } = updated.TaskTemplate.Resources ?? {}
  assert.deepEqual({ ...updated.TaskTemplate, Resources: resources }, spec.TaskTemplate)
  assert.deepEqual({ ...updated, TaskTemplate: { ...task } }, { ...spec, TaskTemplate: task })
})

test('lists are added to and removed from by name, the rest is merged', () => {
  const updated = updatedSpec(
    spec,
    {
      image: 'nginx:2',
      args: "sh -c 'sleep 1'",
      envAdd: ['B=3', 'C=4', 'HOME'],
      envRm: ['A'],
      labelAdd: ['c=3'],
      labelRm: ['a'],
      containerLabelRm: ['x'],
      publishAdd: ['9090:81'],
      publishRm: ['80'],
      constraintAdd: ['node.labels.zone==a'],
      constraintRm: ['node.role==worker'],
      placementPrefAdd: ['spread=node.labels.zone'],
      replicas: '5',
      replicasMaxPerNode: '0',
      limitMemory: '64m',
      restartDelay: '1s',
      updateParallelism: '0',
      updateFailureAction: 'rollback',
      updateMaxFailureRatio: '.25',
      rollbackOrder: 'start-first',
      force: true,
    },
    { HOME: '/root' },
  )
  const { ContainerSpec: container, ...task } = updated.TaskTemplate
  assert.equal(container.Image, 'nginx:2')
  assert.deepEqual(container.Args, ['sh', '-c', 'sleep 1'])
  assert.deepEqual(container.Env, ['B=3', 'C=4', 'HOME=/root'])
  assert.deepEqual(container.Labels, {})
  assert.deepEqual(updated.Labels, { b: '2', c: '3' })
  assert.deepEqual(
    updated.EndpointSpec?.Ports?.map(({ TargetPort, PublishedPort }) => [
      PublishedPort,
      TargetPort,
    ]),
    [[9090, 81]],
  )
  assert.deepEqual(task.Placement, {
    Constraints: ['node.labels.zone==a'],
    Preferences: [{ Spread: { SpreadDescriptor: 'node.labels.zone' } }],
    MaxReplicas: 0,
  })
  assert.deepEqual(task.Resources?.Limits, { NanoCPUs: 5e8, MemoryBytes: 64 * 2 ** 20 })
  assert.deepEqual(task.RestartPolicy, { Condition: 'any', MaxAttempts: 3, Delay: 1e9 })
  assert.equal(task['ForceUpdate'], 5)
  assert.deepEqual(updated.Mode, { Replicated: { Replicas: 5 } })
  assert.deepEqual(updated.UpdateConfig, {
    Parallelism: 0,
    Order: 'start-first',
    FailureAction: 'rollback',
    MaxFailureRatio: 0.25,
  })
  assert.deepEqual(updated.RollbackConfig, { Order: 'start-first' })
})

for (const [flag, value] of [
  ['--update-order', 'sideways'],
  ['--update-max-failure-ratio', '1.5'],
  ['--rollback-failure-action', 'rollback'],
  ['--placement-pref-add', 'binpack=node'],
  ['--update-delay', '1 day'],
] as const) {
  test(`${flag} ${value} is refused before anything is asked`, async () => {
    await using server = await startApi()
    await meshctl(server.socketPath, ['service', 'create', '-d', '--name', 'web', 'img'])
    const { code, err } = await meshctl(server.socketPath, [
      'service',
      'update',
      flag,
      value,
      'web',
    ])
    assert.equal(code, 2, err)
  })
}

test('an update is waited for, and taken back by service rollback', async () => {
  await using server = await startApi()
  await meshctl(server.socketPath, ['service', 'create', '-d', '--name', 'web', 'img'])
  const labelled = ['service', 'update', '--label-add', 'a=b', 'web']
  const { code, out, err } = await meshctl(server.socketPath, labelled)
  assert.equal(code, 0, err)
  assert.match(out, /^web\n(.|\n)*service web converged\n/)
  await meshctl(server.socketPath, ['service', 'rollback', '-d', 'web'])
  const shown = await meshctl(server.socketPath, [
    ...['service', 'inspect', '-f', '{{json .Spec.Labels}} {{.UpdateStatus.State}}', 'web'],
  ])
  assert.equal(shown.out, '{} rollback_started\n')
  const pretty = await meshctl(server.socketPath, ['service', 'inspect', '--pretty', 'web'])
  assert.match(pretty.out, /UpdateStatus:\n State:\t\trollback_started\n/)
})
