import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeId } from '../../../mesh/base/ids.ts'
import { applyTransaction } from '../../../mesh/catalog/apply-transaction.ts'
import { Catalog } from '../../../mesh/catalog/catalog.ts'
import { CatalogView } from '../../../mesh/catalog/catalog-view.ts'
import type { ClusterAuthority, Newcomer } from '../../../mesh/catalog/policy.ts'
import type { CatalogReader, Change } from '../../../mesh/catalog/types.ts'
import { clusterOf } from '../../../src/model/cluster-view.ts'
import { meshPolicy } from '../../../src/model/mesh-policy.ts'
import { nodesOf } from '../../../src/model/node-view.ts'
import { serviceByName } from '../../../src/model/service-view.ts'
import { tasksOf } from '../../../src/model/task-view.ts'
import { ClusterTwin, idOf } from '../orchestrator/cluster-twin.ts'

const atMs = 1_700_000_000_000
const authority: ClusterAuthority = {
  clusterId: 'cluster'.padEnd(25, '0'),
  caCertificatePem: 'the certificate of the authority',
  caKeyPem: 'planted-ca-key',
  joinSecrets: { manager: 'planted-manager-secret', worker: 'planted-worker-secret' },
  gossipKeys: ['planted-gossip-key'],
}

function newcomer(name: string, patch: Partial<Newcomer> = {}): Newcomer {
  return {
    node: nodeId(name.padEnd(25, '0')),
    role: 'manager',
    name,
    peerId: `peer of ${name}`,
    keyDigest: 'digest',
    raftId: name.length,
    gossipAddress: '10.0.0.1:7946',
    controlAddress: '10.0.0.1:2377',
    dataPathAddress: '10.0.0.1:4789',
    availability: 'active',
    description: {
      Hostname: 'host',
      Platform: { Architecture: 'x86_64', OS: 'linux' },
      Resources: { NanoCPUs: 1e9, MemoryBytes: 1 },
      Engine: { EngineVersion: '28' },
      Runtime: 'docker',
    },
    ...patch,
  }
}

function write(catalog: Catalog, changes: readonly Change[]): Catalog {
  const transaction = { request: `at ${catalog.index}`, atMs, changes }
  const applied = applyTransaction(catalog, transaction, catalog.index + 1)
  assert.equal(applied.result.kind, 'applied')
  return applied.catalog
}

const founded = (): Catalog =>
  write(Catalog.empty, meshPolicy.found(authority, newcomer('founder'), atMs))

test('a founded cluster has its authority, its first manager and the settings of Docker', () => {
  const catalog = founded()
  const pem = authority.caCertificatePem
  const present = { signerPem: pem, trustedPem: [pem], chainPem: [] }
  assert.deepEqual(meshPolicy.authority(catalog), { ...authority, ...present })
  assert.equal(meshPolicy.roleOf(catalog, newcomer('founder').node), 'manager')
  assert.deepEqual(meshPolicy.members(catalog), [
    {
      node: newcomer('founder').node,
      name: 'founder',
      role: 'manager',
      peerId: 'peer of founder',
      gossipAddress: '10.0.0.1:7946',
      controlAddress: '10.0.0.1:2377',
      dataPathAddress: '10.0.0.1:4789',
      raftId: newcomer('founder').raftId,
    },
  ])
  assert.equal(clusterOf(catalog)?.taskHistoryLimit, 5)
  assert.equal(clusterOf(catalog)?.body.CreatedAt, '2023-11-14T22:13:20.000Z')
  const [node] = nodesOf(catalog)
  assert.equal(node?.address, '10.0.0.1')
  assert.equal(node?.body.ManagerStatus?.Addr, '10.0.0.1:2377')
  assert.equal(node?.state, 'unknown')
})

test('there is one cluster, and a Raft id belongs to one node', () => {
  const catalog = founded()
  const again = meshPolicy.found({ ...authority, clusterId: 'other' }, newcomer('second'), atMs)
  const twice = meshPolicy.admit(newcomer('third', { raftId: newcomer('founder').raftId }), atMs)
  for (const changes of [again, twice]) {
    const { result } = applyTransaction(catalog, { request: 'r', atMs, changes }, 2)
    assert.equal(result.kind === 'refused' && result.refusal.code, 'catalog/claim-taken')
  }
})

test('two nodes may have the same name, and each has the role it was admitted with', () => {
  const worker = newcomer('worker-one', { name: 'host', role: 'worker', availability: 'drain' })
  const other = newcomer('worker-number-two', { name: 'host', role: 'worker' })
  const one = write(founded(), meshPolicy.admit(worker, atMs))
  const catalog = write(one, meshPolicy.admit(other, atMs))
  assert.equal(meshPolicy.roleOf(catalog, worker.node), 'worker')
  assert.equal(nodesOf(catalog).filter((node) => node.name === 'host').length, 2)
  assert.ok(nodesOf(catalog).some((node) => node.availability === 'drain'))
  assert.equal(meshPolicy.roleOf(catalog, idOf('stranger')), null)
})

/** A cluster with something to hide in every corner. */
function cluster(): { readonly twin: ClusterTwin; readonly catalog: CatalogReader } {
  const twin = new ClusterTwin()
  twin.apply(meshPolicy.found(authority, newcomer('founder'), atMs))
  twin.addNode('n1', { labels: { note: 'planted-node-label' } })
  twin.addNode('n2', { labels: { note: 'planted-own-label' } })
  twin.addService('web', {
    Labels: { 'mesh.drain': '3s', owner: 'planted-service-label' },
    Mode: { Global: {} },
    TaskTemplate: { ContainerSpec: { Image: 'planted-image', Env: ['KEY=planted-env'] } },
    EndpointSpec: { Ports: [{ TargetPort: 80, PublishedPort: 8080 }] },
  })
  const hidden = { kind: 'secret', id: 's1', claims: [], body: { Data: 'planted-secret-data' } }
  twin.apply([{ kind: 'create', object: hidden }])
  twin.settle()
  twin.addService('waiting', {
    TaskTemplate: {
      ContainerSpec: { Image: 'planted-image' },
      Placement: { Constraints: ['node.labels.x==y'] },
    },
  })
  twin.pass()
  return { twin, catalog: twin.catalog }
}

const planted = [
  'planted-ca-key',
  'planted-manager-secret',
  'planted-worker-secret',
  'planted-secret-data',
  'planted-node-label',
  'planted-service-label',
]

test('a worker never sees keys, tokens, secrets, or labels that are not for it', () => {
  const { catalog } = cluster()
  const whole = JSON.stringify(
    ['cluster', 'node', 'service', 'secret'].map((kind) => catalog.list(kind)),
  )
  for (const word of planted) assert.ok(whole.includes(word), `${word} is there to be hidden`)
  const seen = JSON.stringify(meshPolicy.project(catalog, idOf('n2')))
  for (const word of planted) assert.ok(!seen.includes(word), `${word} leaked`)
  // Every member gossips, and must hear of a new key.
  assert.ok(seen.includes('planted-gossip-key'))
})

test('a worker sees its own tasks whole, and of others only where they are', () => {
  const { catalog } = cluster()
  const tasks = meshPolicy.project(catalog, idOf('n2')).filter((object) => object.kind === 'task')
  assert.equal(tasks.length, 2, 'and none that has no node')
  for (const task of tasks) {
    const text = JSON.stringify(task)
    const isOwn = text.includes(idOf('n2'))
    assert.equal(text.includes('planted-env'), isOwn)
    assert.equal(text.includes('planted-image'), isOwn)
  }
  const idle = JSON.stringify(meshPolicy.project(catalog, idOf('nobody')))
  assert.ok(!idle.includes('planted-env') && !idle.includes('planted-image'))
})

test('rules read a projection as they read the whole', () => {
  const { catalog } = cluster()
  const projection = new CatalogView()
  const upserts = meshPolicy.project(catalog, idOf('n2'))
  projection.apply({ index: catalog.index, reset: true, upserts, removals: [] })
  assert.equal(meshPolicy.authority(projection), null)
  assert.equal(clusterOf(projection)?.caCertificatePem, authority.caCertificatePem)
  assert.deepEqual(meshPolicy.members(projection), meshPolicy.members(catalog))
  const web = serviceByName(projection, 'web')
  assert.deepEqual(web?.ports, serviceByName(catalog, 'web')?.ports)
  assert.deepEqual([web?.mesh.drainMs, web?.mode.kind], [3000, 'global'])
  const placed = tasksOf(projection).map(({ id, node, generation, isWanted, state, serviceId }) => [
    id,
    node,
    generation,
    isWanted,
    state,
    serviceId,
  ])
  assert.equal(placed.length, 2)
  for (const [id, node] of placed) {
    assert.equal(tasksOf(catalog).find((task) => task.id === id)?.node, node)
  }
})

test('a survivor is the only manager, and nothing else of anybody changes', () => {
  const change = meshPolicy.admit(newcomer('other'), atMs)
  const worker = meshPolicy.admit(newcomer('worker', { role: 'worker', raftId: 99 }), atMs)
  const before = write(founded(), [...change, ...worker])
  const [first, ...others] = nodesOf(before)
  assert.ok(first !== undefined)
  const survivor = { node: nodeId(first.id), raftId: 1234 }
  const after = write(before, meshPolicy.survive(before, survivor))
  assert.deepEqual(
    nodesOf(after).map(({ id, role, mesh }) => [id, role, mesh.RaftId]),
    [[first.id, 'manager', 1234], ...others.map(({ id, mesh }) => [id, 'worker', mesh.RaftId])],
  )
  assert.equal(after.holder('raft/1234')?.id, first.id)
  assert.deepEqual(clusterOf(after), clusterOf(before))
})
