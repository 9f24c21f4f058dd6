import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../../../mesh/base/random.ts'
import type { CatalogReader } from '../../../mesh/catalog/types.ts'
import type { PortConfig } from '../../../src/model/docker.ts'
import { portProblem, publishPorts } from '../../../src/model/published-ports.ts'
import { ClusterTwin } from '../orchestrator/cluster-twin.ts'

function publish(
  catalog: CatalogReader,
  wanted: readonly PortConfig[],
  { current = [], seed = 1 }: { current?: readonly PortConfig[]; seed?: number } = {},
): readonly PortConfig[] | string {
  const random = new SeededRandom(seed)
  const answer = publishPorts({ catalog, wanted, current, random })
  return answer.kind === 'published' ? answer.ports : answer.problem
}

function cluster(): ClusterTwin {
  const twin = new ClusterTwin()
  twin.addNode('n1')
  return twin
}

test('defaults are filled in, and a port from the range where none was asked for', () => {
  for (let seed = 1; seed <= 50; seed++) {
    const ports = publish(cluster().catalog, [{ TargetPort: 80 }], { seed })
    assert.ok(typeof ports !== 'string')
    const published = ports[0]?.PublishedPort ?? 0
    assert.deepEqual(ports, [
      { TargetPort: 80, Protocol: 'tcp', PublishMode: 'ingress', PublishedPort: published },
    ])
    assert.ok(published >= 30_000 && published <= 32_767)
  }
})

test('a taken port is never chosen, nor one that a later entry asks for', () => {
  const twin = cluster()
  const all = Array.from({ length: 2768 }, (_, at) => 30_000 + at)
  const taken = all.filter((port) => port !== 30_007 && port !== 31_000)
  const Ports = taken.map((port) => ({ TargetPort: port, PublishedPort: port }))
  twin.addService('other', { EndpointSpec: { Ports } })
  const wanted = [{ TargetPort: 80 }, { TargetPort: 81, PublishedPort: 31_000 }]
  const ports = publish(twin.catalog, wanted)
  assert.ok(typeof ports !== 'string')
  assert.deepEqual(
    ports.map((port) => port.PublishedPort),
    [30_007, 31_000],
  )
  const udp = publish(twin.catalog, [{ TargetPort: 80, Protocol: 'udp' }])
  assert.ok(typeof udp !== 'string', 'another protocol has ports of its own')
  const tooMany = publish(twin.catalog, [{ TargetPort: 1 }, { TargetPort: 2 }, { TargetPort: 3 }])
  assert.equal(tooMany, 'every port from 30000 to 32767 is taken')
})

test('an update keeps the port that the service was given', () => {
  const { catalog } = cluster()
  const current = [{ TargetPort: 80, PublishedPort: 30_123, Protocol: 'tcp' as const }]
  const ports = publish(catalog, [{ TargetPort: 81 }, { TargetPort: 80 }], { current })
  assert.ok(typeof ports !== 'string')
  assert.equal(ports[1]?.PublishedPort, 30_123)
})

test('a port is published once per protocol', () => {
  const twice = [
    { TargetPort: 80, PublishedPort: 8080 },
    { TargetPort: 81, PublishedPort: 8080 },
  ]
  assert.equal(publish(cluster().catalog, twice), 'port 8080/tcp is published twice')
})

test('ports in host mode are left to the nodes', () => {
  const host: PortConfig = { TargetPort: 80, PublishMode: 'host' }
  assert.deepEqual(publish(cluster().catalog, [host, { ...host, TargetPort: 81 }]), [
    { ...host, Protocol: 'tcp' },
    { ...host, TargetPort: 81, Protocol: 'tcp' },
  ])
})

for (const port of [2377, 7946, 4789, 0, -1, 65_536, 1.5]) {
  test(`port ${port} cannot be published`, () => {
    assert.notEqual(portProblem(cluster().catalog, port), null)
  })
}

test('the ports that count are those that the nodes have, as they are configured', () => {
  const twin = cluster()
  twin.patchNode('n1', (node) => ({
    ...node,
    Mesh: { ...node.Mesh, DataPathAddress: '10.0.0.1:5000' },
  }))
  assert.equal(portProblem(twin.catalog, 4789), null)
  assert.match(portProblem(twin.catalog, 5000) ?? '', /data path port of node n1/)
})

test('with UDP a node itself uses its gossip port alone', () => {
  const { catalog } = cluster()
  assert.match(portProblem(catalog, 7946, 'udp') ?? '', /gossip port/)
  for (const port of [2377, 4789, 53]) assert.equal(portProblem(catalog, port, 'udp'), null)
})

test('a port is of the ingress on every node, or of single nodes, never both', () => {
  const twin = cluster()
  const host = { TargetPort: 80, PublishedPort: 8080, PublishMode: 'host' } as const
  const ingress = { TargetPort: 80, PublishedPort: 9090 }
  twin.addService('one', { EndpointSpec: { Ports: [host] } })
  twin.addService('two', { EndpointSpec: { Ports: [ingress] } })
  const { catalog } = twin
  assert.ok(typeof publish(catalog, [host]) !== 'string', 'two services may share it')
  assert.equal(
    publish(catalog, [{ ...ingress, PublishedPort: 8080 }]),
    'port 8080/tcp is published in mode host by service one',
  )
  assert.equal(
    publish(catalog, [{ ...host, PublishedPort: 9090 }]),
    'port 9090/tcp is published on every node by service two',
  )
  assert.equal(publish(catalog, [host, host]), 'port 8080/tcp is published twice')
  assert.equal(
    publish(catalog, [{ ...host, PublishedPort: 2377 }]),
    'port 2377 is the API and join port of node n1 itself',
  )
  const other = { ...host, PublishedPort: 9090, Protocol: 'udp' } as const
  assert.ok(typeof publish(catalog, [other]) !== 'string', 'another protocol is another port')
})

test('an update may move a port between the modes', () => {
  const twin = cluster()
  const host = { TargetPort: 80, PublishedPort: 8080, PublishMode: 'host' } as const
  const ingress = { ...host, PublishMode: 'ingress' } as const
  twin.addService('one', { EndpointSpec: { Ports: [host] } })
  twin.addService('two', { EndpointSpec: { Ports: [{ ...ingress, PublishedPort: 9090 }] } })
  assert.ok(typeof publish(twin.catalog, [ingress], { current: [host] }) !== 'string')
  const back = { ...host, PublishedPort: 9090 }
  const current = [{ ...back, PublishMode: 'ingress' }] as const
  assert.ok(typeof publish(twin.catalog, [back], { current }) !== 'string')
})
