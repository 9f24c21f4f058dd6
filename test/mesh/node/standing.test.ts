import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../../support/daemon.ts'
import { RealNodes, type RealNode } from './real-nodes.ts'

const dayMs = 24 * 3600 * 1000

const createService = ({ node }: RealNode, id: string) =>
  node.propose([{ kind: 'create', object: { kind: 'service', id, claims: [], body: bodyOf } }])

const bodyOf = { Spec: { Name: 'web', TaskTemplate: {} }, Endpoint: {}, SpecVersion: { Index: 1 } }

const has = ({ view }: RealNode, id: string): boolean => view.get('service', id) !== undefined

const serial = ({ node }: RealNode): string =>
  new X509Certificate(node.identity.certificatePem).serialNumber

function walFiles(nodes: RealNodes, number: number): string[] {
  try {
    return readdirSync(join(nodes.dir, String(number), 'raft/wal'))
  } catch {
    return []
  }
}

test('workers are promoted, managers demoted and promoted again, and the leader too', async () => {
  await using nodes = new RealNodes('127.0.31')
  const first = await nodes.found()
  const second = await nodes.join(2, 'worker')
  const third = await nodes.join(3, 'worker')
  await createService(first, 'before')
  await eventually('the workers know of it', 5000, () => has(second, 'before'))
  const seen: number[] = []
  second.node.watchCatalog(() => seen.push(second.view.index))

  for (const { node } of [second, third]) await nodes.setRole(node.self, 'manager')
  for (const { node } of [second, third]) {
    await eventually('it is a manager', 10_000, () => node.role === 'manager')
    assert.equal(node.identity.role, 'manager')
  }
  assert.deepEqual(
    seen,
    seen.toSorted((left, right) => left - right),
    'it never went back in time',
  )
  assert.equal((await createService(second, 'through a promoted one')).kind, 'applied')
  const votes = () => [first, second, third].every(({ node }) => first.node.isRaftMember(node.self))
  await eventually('all three are in Raft', 5000, votes)

  await nodes.setRole(first.node.self, 'worker')
  await eventually('the leader became a worker', 15_000, () => first.node.role === 'worker')
  await eventually('another leads', 5000, () =>
    [second, third].some(({ node }) => node.leader().isSelf),
  )
  assert.equal(second.node.isRaftMember(first.node.self), false)
  assert.equal(first.node.identity.role, 'worker')
  // It is a worker before the last of that is gone.
  await eventually('nothing of the log stays', 5000, () => walFiles(nodes, 1).length === 0)
  assert.equal(has(first, 'before'), true, 'it goes on from what it knew')
  await assert.rejects(first.node.propose([]), /raft\/not-a-manager/)
  await createService(second, 'while it was a worker')
  await eventually('it is fed', 5000, () => has(first, 'while it was a worker'))

  await nodes.setRole(first.node.self, 'manager')
  await eventually('it is a manager again', 15_000, () => first.node.role === 'manager')
  assert.equal((await createService(first, 'after')).kind, 'applied')
  await eventually('all have it', 5000, () =>
    [first, second, third].every((node) => has(node, 'after')),
  )

  await first.stop()
  const again = await nodes.start(1)
  await eventually('a restart resumes its new life', 5000, () => has(again, 'after'))
  await createService(second, 'after its restart')
  await eventually('and follows', 5000, () => has(again, 'after its restart'))
  assert.equal(again.node.role, 'manager')
})

test('a manager that was demoted while it was away learns it when it comes back', async () => {
  await using nodes = new RealNodes('127.0.32')
  await nodes.found()
  for (const number of [2, 3]) await nodes.join(number, 'manager')
  const third = nodes.get(3)
  const { self } = third.node
  await eventually('it is in Raft', 5000, () => nodes.get(1).node.isRaftMember(self))
  await eventually('it has a table', 5000, () => third.view.index > 0)
  await third.stop()
  await nodes.setRole(self, 'worker')
  await eventually('Raft let it go', 10_000, () => !nodes.get(1).node.isRaftMember(self))
  const back = await nodes.start(3)
  assert.equal(back.node.role, 'manager')
  await eventually('it asked, and is a worker', 20_000, () => back.node.role === 'worker')
  await createService(nodes.get(1), 'web')
  await eventually('it is fed', 10_000, () => has(back, 'web'))
})

test('a node that was removed learns it, online or when it comes back', async () => {
  await using nodes = new RealNodes('127.0.33')
  await nodes.found()
  const online = await nodes.join(2, 'worker')
  const away = await nodes.join(3, 'worker')
  for (const { view } of [online, away]) {
    await eventually('it has a table', 5000, () => view.index > 0)
  }
  await away.stop()
  let told = 0
  void online.node.removed.then(() => told++)
  await nodes.removeNode(away.node.self)
  await nodes.removeNode(online.node.self)
  await eventually('it knows', 15_000, () => told === 1)
  const back = await nodes.start(3)
  void back.node.removed.then(() => told++)
  await eventually('this one too', 20_000, () => told === 2)
})

test('certificates are renewed in time, by every role, and stay on the disk', async () => {
  await using nodes = new RealNodes('127.0.34')
  // 83 % of 90 days: beyond any time that may be drawn for the renewal.
  nodes.offsetMs = -75 * dayMs
  await nodes.found()
  await nodes.join(2, 'manager')
  await nodes.join(3, 'worker')
  const all = [1, 2, 3].map((number) => nodes.get(number))
  for (const { view } of all) await eventually('it has a table', 5000, () => view.index > 0)
  const before = all.map(serial)
  nodes.offsetMs = 0
  for (const [at, each] of all.entries()) {
    await eventually(`node ${at + 1} has a new one`, 10_000, () => serial(each) !== before[at])
    const certificate = new X509Certificate(each.node.identity.certificatePem)
    assert.ok(certificate.validToDate.getTime() > Date.now() + 89 * dayMs)
  }
  for (const [at, each] of all.entries()) {
    const file = readFileSync(join(nodes.dir, String(at + 1), 'identity.json'), 'utf8')
    assert.equal(JSON.parse(file).certificatePem, each.node.identity.certificatePem)
  }
  await nodes.get(3).stop()
  await nodes.start(3)
  await createService(nodes.get(1), 'web')
  await eventually('members meet with the new ones', 10_000, () => has(nodes.get(3), 'web'))
})
