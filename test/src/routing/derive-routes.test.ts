import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TaskRecord } from '../../../src/model/docker.ts'
import { meshPolicy } from '../../../src/model/mesh-policy.ts'
import { CatalogView } from '../../../mesh/catalog/catalog-view.ts'
import { defaultIngressOptions } from '../../../src/model/ingress-options.ts'
import { deriveRoutes } from '../../../src/routing/derive-routes.ts'
import type { Endpoint, RouteTable } from '../../../src/routing/route-table.ts'
import { ClusterTwin, idOf } from '../orchestrator/cluster-twin.ts'

/** Three nodes, one task of `web` on each. */
function cluster(): ClusterTwin {
  const twin = new ClusterTwin()
  for (const name of ['n1', 'n2', 'n3']) twin.addNode(name)
  twin.addService('web', {
    Labels: { 'mesh.ingress.8080.proxy-protocol': 'v2' },
    Mode: { Global: {} },
    EndpointSpec: {
      Ports: [
        { TargetPort: 80, PublishedPort: 8080 },
        { TargetPort: 81, PublishedPort: 8081, Protocol: 'udp' },
        { TargetPort: 82, PublishedPort: 8082, PublishMode: 'host' },
      ],
    },
  })
  twin.settle()
  return twin
}

const routes = (twin: ClusterTwin, self = 'n1'): RouteTable =>
  deriveRoutes({ view: twin.view, self: idOf(self), version: 7 })

const endpoints = (twin: ClusterTwin): readonly Endpoint[] =>
  routes(twin).listeners[0]?.endpoints ?? []

const nodes = (list: readonly Endpoint[]): string[] => list.map(({ node }) => node).sort()

function patchRecord(twin: ClusterTwin, name: string, patch: Partial<TaskRecord>): void {
  for (const [id, { node, record }] of twin.records) {
    if (node === idOf(name)) twin.records.set(id, { node, record: { ...record, ...patch } })
  }
}

test('a published port leads to every task that serves', () => {
  const twin = cluster()
  const table = routes(twin)
  assert.equal(table.version, 7)
  const [listener, udp, ...others] = table.listeners
  assert.deepEqual([udp?.protocol, udp?.port], ['udp', 8081])
  assert.equal(others.length, 0, 'host mode is not for the ingress')
  assert.deepEqual(
    { ...listener, endpoints: [] },
    {
      protocol: 'tcp',
      port: 8080,
      serviceId: twin.service('web').id,
      serviceName: 'web',
      options: { ...defaultIngressOptions, proxyProtocol: 'v2' },
      endpoints: [],
    },
  )
  assert.deepEqual(nodes(endpoints(twin)), ['n1', 'n2', 'n3'].map(idOf))
  for (const endpoint of endpoints(twin)) {
    assert.equal(endpoint.targetPort, 80)
    assert.equal(endpoint.preferred, true)
    assert.equal(endpoint.generation, twin.task(endpoint.task)?.generation)
  }
})

test('peers that membership calls dead are marked, for their open connections', () => {
  const twin = cluster()
  twin.setMember('n3', 'dead')
  assert.deepEqual(
    routes(twin).peers.map(({ node, isDead }) => [node, isDead]),
    [
      [idOf('n2'), undefined],
      [idOf('n3'), true],
    ],
  )
})

test('a port without tasks is listened on all the same, from creation to removal', () => {
  const twin = new ClusterTwin()
  const id = twin.addService('web', {
    EndpointSpec: { Ports: [{ TargetPort: 80, PublishedPort: 8080 }] },
  })
  assert.deepEqual(
    routes(twin).listeners.map(({ port }) => port),
    [8080],
  )
  twin.remove('service', id)
  assert.deepEqual(routes(twin).listeners, [])
})

const records: readonly (readonly [text: string, patch: Partial<TaskRecord>])[] = [
  ['does not serve', { serving: false }],
  ['drains', { draining: true }],
  ['is of another assignment', { generation: 99_999 }],
  ['has no such target', { targets: { 9999: '127.0.0.1:1' } }],
]

for (const [text, patch] of records) {
  test(`a task that ${text} gets no connections`, () => {
    const twin = cluster()
    patchRecord(twin, 'n2', patch)
    assert.deepEqual(nodes(endpoints(twin)), ['n1', 'n3'].map(idOf))
  })
}

test('a record of a node that the task was not given to is not believed', () => {
  const twin = cluster()
  for (const [id, { node, record }] of twin.records) {
    if (node === idOf('n2')) twin.records.set(id, { node: idOf('n3'), record })
  }
  assert.deepEqual(nodes(endpoints(twin)), ['n1', 'n3'].map(idOf))
})

test('a task that is no longer wanted leaves the routes before its node has said so', () => {
  const twin = cluster()
  twin.setAvailability('n2', 'drain')
  twin.pass()
  assert.deepEqual(nodes(endpoints(twin)), ['n1', 'n3'].map(idOf))
})

const deaths = [
  { state: 'alive', dataPath: false, expected: 'preferred' },
  { state: 'suspect', dataPath: undefined, expected: 'in doubt' },
  { state: 'suspect', dataPath: false, expected: 'in doubt' },
  { state: 'dead', dataPath: true, expected: 'in doubt' },
  { state: 'dead', dataPath: false, expected: 'gone' },
  { state: 'dead', dataPath: undefined, expected: 'gone' },
  { state: 'left', dataPath: true, expected: 'in doubt' },
  { state: 'left', dataPath: undefined, expected: 'gone' },
  { state: undefined, dataPath: undefined, expected: 'in doubt' },
] as const

for (const { state, dataPath, expected } of deaths) {
  const path = dataPath === undefined ? 'never tried' : dataPath ? 'answering' : 'silent'
  test(`a node that is ${state ?? 'unknown'}, its data path ${path}: its tasks are ${expected}`, () => {
    const twin = cluster()
    if (state === undefined) twin.members.delete(idOf('n2'))
    else twin.setMember('n2', state)
    if (dataPath !== undefined) twin.dataPath.set(idOf('n2'), dataPath)
    const found = endpoints(twin).find(({ node }) => node === idOf('n2'))
    const actual = found === undefined ? 'gone' : found.preferred ? 'preferred' : 'in doubt'
    assert.equal(actual, expected)
  })
}

test('a node trusts itself, whatever the others say of it', () => {
  const twin = cluster()
  twin.setMember('n1', 'dead')
  assert.equal(endpoints(twin).find(({ node }) => node === idOf('n1'))?.preferred, true)
})

test('peers are all other nodes, at the address that they say of themselves', () => {
  const twin = cluster()
  const member = twin.members.get(idOf('n2'))
  assert.ok(member !== undefined)
  const meta = { ...member.meta, dataPathAddress: '10.9.9.9:4789' }
  twin.members.set(idOf('n2'), { ...member, meta })
  twin.members.delete(idOf('n3'))
  assert.deepEqual(routes(twin).peers, [
    { node: idOf('n2'), address: '10.9.9.9:4789' },
    { node: idOf('n3'), address: '10.0.0.2:4789' },
  ])
})

test('local tasks are what the own agent says, draining ones too', () => {
  const twin = cluster()
  const [own] = routes(twin).localTasks
  assert.equal(routes(twin).localTasks.length, 1)
  assert.equal(twin.task(own?.task ?? '')?.node, idOf('n1'))
  assert.deepEqual(own?.targets, { 80: '127.0.0.1:32001' })
  patchRecord(twin, 'n1', { serving: false, draining: true })
  assert.equal(routes(twin).localTasks[0]?.draining, true)
  patchRecord(twin, 'n1', { serving: false, draining: false })
  assert.deepEqual(routes(twin).localTasks, [])
  patchRecord(twin, 'n1', { state: 'shutdown', draining: true })
  assert.deepEqual(routes(twin).localTasks, [])
})

test('a worker derives from its projection what a manager derives from the catalog', () => {
  const twin = cluster()
  const projection = new CatalogView()
  const upserts = meshPolicy.project(twin.catalog, idOf('n2'))
  projection.apply({ index: twin.catalog.index, reset: true, upserts, removals: [] })
  const view = { ...twin.view, catalog: projection }
  assert.deepEqual(
    deriveRoutes({ view, self: idOf('n2'), version: 7 }),
    deriveRoutes({ view: twin.view, self: idOf('n2'), version: 7 }),
  )
})

test('the order in which news came does not show', () => {
  const twin = cluster()
  const before = routes(twin)
  const reversed = [...twin.records].toReversed()
  twin.records.clear()
  for (const [id, entry] of reversed) twin.records.set(id, entry)
  assert.deepEqual(routes(twin), before)
})
