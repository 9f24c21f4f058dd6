import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServiceSpec } from '../../../src/client/types.ts'
import { Given } from '../../../src/meshctl/flag.ts'
import { changedSpec } from '../../../src/meshctl/service-spec.ts'
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

const changed = (flags: object): ServiceSpec =>
  changedSpec(spec, new Given(flags, { HOME: '/root' }))

test('what no flag names stays as it is', () => {
  assert.deepEqual(changed({}), spec)
  const { Labels, ...others } = changed({ 'label-add': ['c=3'] })
  assert.deepEqual(Labels, { a: '1', b: '2', c: '3' })
  const { Labels: _before, ...before } = spec
  assert.deepEqual(others, before)
})

test('lists are added to and removed from by name, the rest is merged', () => {
  const updated = changed({
    image: 'nginx:2',
    args: "sh -c 'sleep 1'",
    'env-add': ['B=3', 'C=4', 'HOME'],
    'env-rm': ['A'],
    'container-label-rm': ['x'],
    'publish-add': ['9090:81'],
    'publish-rm': ['80'],
    'constraint-add': ['node.labels.zone==a'],
    'constraint-rm': ['node.role==worker'],
    replicas: '5',
    'replicas-max-per-node': '0',
    'limit-memory': '64m',
    'restart-delay': '1s',
    'update-parallelism': '0',
    'rollback-order': 'start-first',
    force: true,
  })
  const { ContainerSpec: container, ...task } = updated.TaskTemplate
  assert.equal(container.Image, 'nginx:2')
  assert.deepEqual(container.Args, ['sh', '-c', 'sleep 1'])
  assert.deepEqual(container.Env, ['B=3', 'C=4', 'HOME=/root'])
  assert.deepEqual(container.Labels, {})
  const [port, ...others] = updated.EndpointSpec?.Ports ?? []
  assert.deepEqual([port?.PublishedPort, port?.TargetPort, others.length], [9090, 81, 0])
  assert.deepEqual(task.Placement, { Constraints: ['node.labels.zone==a'], MaxReplicas: 0 })
  assert.deepEqual(task.Resources?.Limits, { NanoCPUs: 5e8, MemoryBytes: 64 * 2 ** 20 })
  assert.deepEqual(task.RestartPolicy, { Condition: 'any', MaxAttempts: 3, Delay: 1e9 })
  assert.equal(task['ForceUpdate'], 5)
  assert.deepEqual(updated.Mode, { Replicated: { Replicas: 5 } })
  assert.deepEqual(updated.UpdateConfig, { Parallelism: 0, Order: 'start-first' })
  assert.equal(updated.RollbackConfig?.Order, 'start-first')
  assert.equal(updated.RollbackConfig?.FailureAction, 'pause')
})

for (const [flag, value] of [
  ['--update-order', 'sideways'],
  ['--update-max-failure-ratio', '1.5'],
  ['--rollback-failure-action', 'rollback'],
  ['--placement-pref-add', 'binpack=node'],
  ['--update-delay', '1 day'],
  ['--mount-add', 'type=bind'],
  ['--publish-rm', 'x'],
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
