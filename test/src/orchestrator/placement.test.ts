import assert from 'node:assert/strict'
import { test } from 'node:test'
import { beingStopped, type ServiceSpec, type TaskSpec } from '../../../src/model/docker.ts'
import { errorText } from '../../../src/orchestrator/explain.ts'
import { whyPending } from '../../../src/orchestrator/why-pending.ts'
import { ClusterTwin, idOf } from './cluster-twin.ts'

function spec(template: Partial<TaskSpec>, replicas = 1): Partial<ServiceSpec> {
  return {
    Mode: { Replicated: { Replicas: replicas } },
    TaskTemplate: { ContainerSpec: { Image: 'nginx' }, ...template },
  }
}

function twoZones(): ClusterTwin {
  const twin = new ClusterTwin()
  twin.addNode('n1', { labels: { zone: 'b' } })
  twin.addNode('n2', { labels: { zone: 'b' } })
  twin.addNode('n3', { labels: { zone: 'a' }, memoryBytes: 2 ** 20 })
  return twin
}

const pendingErr = (twin: ClusterTwin): string | undefined => {
  twin.pass()
  return twin.tasks.find((task) => task.state === 'pending')?.body.Status.Err
}

test('what keeps a task waiting is told per reason, with a hint, and placed when it goes away', () => {
  const twin = twoZones()
  const id = twin.addService(
    'web',
    spec({
      Placement: { Constraints: ['node.labels.zone==a'] },
      Resources: { Reservations: { MemoryBytes: 2 ** 21 } },
    }),
  )
  assert.equal(
    pendingErr(twin),
    'no suitable node (constraint node.labels.zone==a not satisfied on 2 nodes; ' +
      'insufficient memory on 1 node)',
  )
  const explanation = twin.last?.explanations.get(id)
  assert.deepEqual(
    explanation?.lines.map((line) => line.text),
    ['2 nodes: constraint node.labels.zone==a not satisfied', '1 node: insufficient memory'],
  )
  assert.match(explanation?.hint ?? '', /--label-add zone=a NODE/)
  assert.deepEqual(whyPending(twin.view, twin.service('web')), explanation)
  assert.deepEqual(twin.pass().changes, [], 'an unchanged reason is not written again')
  twin.patchNode('n1', (node) => ({ ...node, Spec: { ...node.Spec, Labels: { zone: 'a' } } }))
  twin.settle()
  assert.equal(twin.running[0]?.node, idOf('n1'))
  assert.equal(whyPending(twin.view, twin.service('web')), null)
})

test('reservations add up on a node until it is full', () => {
  const twin = new ClusterTwin()
  twin.addNode('n1', { nanoCpus: 2e9 })
  twin.addService('web', spec({ Resources: { Reservations: { NanoCPUs: 0.9e9 } } }, 3))
  assert.equal(pendingErr(twin), 'no suitable node (insufficient CPU on 1 node)')
  assert.equal(twin.tasks.filter((task) => task.node !== null).length, 2)
})

test('a task on its way out keeps its reservation, but weighs no more', () => {
  const twin = new ClusterTwin()
  twin.addNode('n1', { nanoCpus: 3e9 })
  twin.addService('old', spec({ Resources: { Reservations: { NanoCPUs: 2e9 } } }))
  twin.settle()
  const leaving = twin.service('old')
  twin.remove('service', leaving.id)
  twin.pass()
  twin.addNode('n2')
  twin.addService('mate', spec({ Placement: { Constraints: ['node.hostname==n2'] } }))
  twin.addService('light', spec({}))
  twin.addService('heavy', spec({ Resources: { Reservations: { NanoCPUs: 2e9 } } }))
  twin.pass()
  const nodeOf = (name: string): string | null | undefined =>
    twin.wanted.find((task) => task.serviceName === name)?.node
  assert.equal(nodeOf('heavy'), idOf('n2'), 'the node is not free before it is')
  assert.equal(nodeOf('light'), idOf('n1'), 'the emptier one by what is meant to run')
})

test('of nodes with as many tasks of the service, the one with fewer tasks at all is chosen', () => {
  for (let seed = 1; seed <= 10; seed++) {
    const twin = new ClusterTwin(seed)
    twin.addNode('n1')
    twin.addNode('n2')
    twin.addService('filler', spec({ Placement: { Constraints: ['node.hostname==n1'] } }, 3))
    twin.settle()
    twin.addService('web', spec({}))
    twin.settle()
    const web = twin.running.find((task) => task.serviceName === 'web')
    assert.equal(web?.node, idOf('n2'), `seed ${seed}`)
  }
})

test('no node takes more tasks of a service than its limit', () => {
  const twin = twoZones()
  twin.addService('web', spec({ Placement: { MaxReplicas: 1 } }, 4))
  assert.equal(pendingErr(twin), 'no suitable node (max replicas per node (1) reached on 3 nodes)')
  assert.equal(new Set(twin.tasks.map((task) => task.node)).size, 4)
})

test('a runtime without images takes commands and the built-in image only', () => {
  const twin = new ClusterTwin()
  twin.addNode('n1', { runtime: 'process' })
  const containers = [
    { Image: 'nginx' },
    { Image: 'nginx', Command: ['sleep'] },
    { Image: 'nginx', Args: ['sleep', '1'] },
    { Image: 'meshd/whoami' },
    { Image: 'meshd/whoami:1' },
    { Image: 'meshd/whoami-not' },
  ]
  for (const [at, ContainerSpec] of containers.entries()) {
    twin.addService(`s${at}`, spec({ ContainerSpec }))
  }
  twin.pass()
  assert.deepEqual(
    twin.wanted
      .filter((task) => task.node === null)
      .map((task) => task.serviceName)
      .sort(),
    ['s0', 's5'],
  )
})

const on = (Architecture: string): Partial<ServiceSpec> =>
  spec({ Placement: { Platforms: [{ Architecture, OS: 'linux' }] } })

test('an image goes to nodes of its platform', () => {
  const twin = new ClusterTwin()
  twin.addNode('n1')
  twin.addService('arm', on('arm64'))
  twin.addService('intel', on('amd64'))
  assert.equal(pendingErr(twin), 'no suitable node (image is for linux/arm64 on 1 node)')
  assert.equal(twin.wanted.filter((task) => task.node !== null).length, 1)
})

test('a node gets nothing while it is down, starting, stopping, without engine, paused or drained', () => {
  const twin = new ClusterTwin()
  for (const name of ['n1', 'n2', 'n3', 'n4', 'n5', 'n6']) twin.addNode(name)
  twin.setMember('n1', 'dead')
  twin.nodeRecords.delete(idOf('n2'))
  const record = twin.nodeRecords.get(idOf('n3'))
  assert.ok(record !== undefined)
  twin.nodeRecords.set(idOf('n3'), { ...record, engineReady: false })
  twin.nodeRecords.set(idOf('n6'), { ...record, engineReady: false, message: beingStopped })
  twin.setAvailability('n4', 'pause')
  twin.setAvailability('n5', 'drain')
  twin.addService('web', spec({}))
  assert.equal(
    pendingErr(twin),
    'no suitable node (being stopped on 1 node; container engine does not answer on 1 node; ' +
      'down on 1 node; still starting on 1 node; drained on 1 node; paused on 1 node)',
  )
})

test('without nodes it says so', () => {
  const twin = new ClusterTwin()
  twin.addService('web', spec({}))
  assert.equal(pendingErr(twin), 'no suitable node (there are no nodes)')
})

test('a node where a service keeps failing is the last one to get its tasks', () => {
  const twin = new ClusterTwin()
  twin.addNode('good')
  twin.addNode('bad')
  twin.addService('filler', spec({ Placement: { Constraints: ['node.hostname==good'] } }, 3))
  twin.addService('web', spec({ RestartPolicy: { Delay: 0 } }, 2))
  twin.settle()
  for (let round = 0; round < 8; round++) {
    twin.wait(1000)
    for (const task of twin.wanted) if (task.node === idOf('bad')) twin.report(task, 'failed')
    twin.settle()
  }
  assert.deepEqual(
    twin.running.filter((task) => task.node === idOf('bad')),
    [],
  )
})

test('equals are drawn among by chance', () => {
  const chosen = new Set<string | null>()
  for (let seed = 1; seed <= 30; seed++) {
    const twin = new ClusterTwin(seed)
    for (const name of ['n1', 'n2', 'n3']) twin.addNode(name)
    twin.addService('web', spec({}))
    twin.pass()
    chosen.add(twin.tasks[0]?.node ?? null)
  }
  assert.equal(chosen.size, 3)
})

test('an explanation without lines is about a cluster without nodes', () => {
  assert.equal(
    errorText({ nodes: 0, lines: [], hint: '' }),
    'no suitable node (there are no nodes)',
  )
})

test('two tasks with the same host-mode port are never on one node', () => {
  const twin = twoZones()
  const port = { TargetPort: 80, PublishedPort: 8080, PublishMode: 'host' } as const
  twin.addService('web', { ...spec({}, 4), EndpointSpec: { Ports: [port] } })
  assert.equal(
    pendingErr(twin),
    'no suitable node (host-mode port 8080/tcp already in use on 3 nodes)',
  )
  const nodes = twin.tasks.flatMap(({ node }) => node ?? [])
  assert.deepEqual([nodes.length, new Set(nodes).size], [3, 3])
  const any = { TargetPort: 80, PublishMode: 'host' } as const
  twin.addService('any', { ...spec({}, 4), EndpointSpec: { Ports: [any] } })
  twin.pass()
  const free = twin.tasks.filter(({ serviceName, node }) => serviceName === 'any' && node !== null)
  assert.equal(free.length, 4, 'what asks for no port by number takes any')
})

test('what only a container can be given keeps a task off the process runtime', () => {
  const twin = new ClusterTwin()
  twin.addNode('n1', { runtime: 'process' })
  const ContainerSpec = {
    Image: 'nginx',
    Args: ['sleep'],
    Dir: '/x',
    Mounts: [{ Type: 'tmpfs', Target: '/x' }],
  } as const
  twin.addService('web', spec({ ContainerSpec }))
  assert.equal(pendingErr(twin), 'no suitable node (runtime process has no Mounts on 1 node)')
})

const spread = (...labels: readonly string[]): Partial<TaskSpec> => ({
  Placement: {
    Preferences: labels.map((label) => ({ Spread: { SpreadDescriptor: label } })),
  },
})

const countOn = (twin: ClusterTwin, names: readonly string[]): number =>
  twin.running.filter(({ node }) => names.some((name) => node === idOf(name))).length

test('a preference shares tasks out among the values of a label, one inside another', () => {
  for (let seed = 1; seed <= 10; seed++) {
    const twin = new ClusterTwin(seed)
    twin.addNode('a1', { labels: { zone: 'a', rack: '1' } })
    twin.addNode('a2', { labels: { zone: 'a', rack: '2' } })
    twin.addNode('a3', { labels: { zone: 'a', rack: '2' } })
    twin.addNode('b1', { labels: { zone: 'b', rack: '1' } })
    twin.addService('web', spec(spread('node.labels.zone', 'node.labels.rack'), 8))
    twin.settle()
    assert.equal(countOn(twin, ['b1']), 4, `seed ${seed}`)
    assert.equal(countOn(twin, ['a1']), 2, `seed ${seed}`)
    assert.equal(countOn(twin, ['a2', 'a3']), 2, `seed ${seed}`)
  }
})

test('nodes without the label are one group, and a full group is passed over', () => {
  const twin = new ClusterTwin()
  twin.addNode('a1', { labels: { zone: 'a' } })
  twin.addNode('n1')
  twin.addNode('n2')
  const { Placement } = spread('node.labels.zone')
  twin.addService('web', spec({ Placement: { ...Placement, MaxReplicas: 3 } }, 8))
  twin.settle()
  assert.deepEqual([countOn(twin, ['a1']), countOn(twin, ['n1', 'n2'])], [3, 5])
})

test('a successor that finds no node while its predecessor serves is explained too', () => {
  const twin = twoZones()
  twin.addService('web', { ...spec({}), UpdateConfig: { Order: 'start-first' } })
  twin.settle()
  twin.patchSpec('web', spec({ Resources: { Reservations: { MemoryBytes: 2 ** 50 } } }))
  twin.pass()
  const lines = whyPending(twin.view, twin.service('web'))?.lines.map((line) => line.text)
  assert.deepEqual(lines, ['3 nodes: insufficient memory'])
})

test('a global service that has no room for two of its tasks at once says so', () => {
  const twin = twoZones()
  const Resources = { Reservations: { MemoryBytes: 2 ** 19 + 1 } }
  const service = { Mode: { Global: {} }, UpdateConfig: { Order: 'start-first' } } as const
  twin.addService('web', { ...spec({ Resources }), ...service })
  twin.settle()
  twin.patchSpec('web', { TaskTemplate: { ContainerSpec: { Image: 'v2' }, Resources } })
  twin.settle()
  const lines = whyPending(twin.view, twin.service('web'))?.lines.map((line) => line.text)
  assert.deepEqual(lines, ['1 node: insufficient memory'])
})
