import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeId } from '../../../mesh/base/ids.ts'
import { nextRaftId, raftIdOf } from '../../../mesh/node/raft-id.ts'
import type { Node } from '../../../src/model/docker.ts'
import { startApi, type ApiServer, type Reply } from '../../support/api-server.ts'
import { webSpec } from './service-spec.ts'
import { nodeView } from '../../../src/model/node-view.ts'

interface ShownNode extends Node {
  readonly ID: string
  readonly Version: { readonly Index: number }
  readonly ManagerStatus: {
    readonly Addr: string
    readonly Leader?: boolean
    readonly Reachability: string
  }
}

interface ShownTask {
  readonly ID: string
  readonly NodeID: string
  readonly Slot: number
}

const messageOf = (json: unknown): string => (json as { message: string }).message
const filtersOf = (filters: object): string =>
  `filters=${encodeURIComponent(JSON.stringify(filters))}`

test('ping tells version and role, with and without a body', async () => {
  await using server = await startApi()
  for (const method of ['GET', 'HEAD']) {
    const { status, headers, text } = await server.call(method, '/_ping')
    assert.equal(status, 200)
    assert.equal(headers['api-version'], '1.50')
    assert.equal(headers['docker-experimental'], 'false')
    assert.equal(headers['swarm'], 'active/manager')
    assert.equal(text, method === 'GET' ? 'OK' : '')
  }
})

test('info is answered here, also without a leader, and says so', async () => {
  await using server = await startApi()
  server.mesh.barrier = () => Promise.reject(new Error('info must not ask'))
  const { json } = await server.call('GET', '/v1.50/info')
  const { Swarm, Mesh } = json as {
    Swarm: { NodeID: string; Nodes: number; Managers: number; Cluster: { ID: string } }
    Mesh: { Stale: boolean }
  }
  assert.equal(Swarm.NodeID, server.mesh.self)
  assert.deepEqual([Swarm.Nodes, Swarm.Managers], [3, 3])
  assert.equal(Swarm.Cluster.ID, server.mesh.clusterId)
  assert.equal(Mesh.Stale, true)
})

test('nodes show who leads and who cannot be reached', async () => {
  await using server = await startApi()
  const lost = nodeId(server.mesh.nodeIds[2] ?? '')
  server.mesh.setMember(lost, 'dead')
  const { json } = await server.call('GET', '/nodes')
  const shown = (json as ShownNode[]).map(({ ID, Status, ManagerStatus }) => ({
    state: Status.State,
    leads: ManagerStatus.Leader ?? false,
    reachability: ManagerStatus.Reachability,
    isLost: ID === lost,
  }))
  const up = { state: 'ready', reachability: 'reachable', isLost: false }
  assert.equal(shown.filter(({ leads }) => leads).length, 1)
  assert.deepEqual(
    shown.filter(({ isLost }) => isLost),
    [{ state: 'down', leads: false, reachability: 'unreachable', isLost: true }],
  )
  assert.deepEqual(
    shown.filter(({ isLost }) => !isLost).map(({ leads: _leads, ...rest }) => rest),
    [up, up],
  )
})

test('a node whose packets are dropped is shown, and warned of', async () => {
  await using server = await startApi()
  const [, , walled = ''] = server.mesh.nodeIds
  const before = await server.call('GET', '/info')
  assert.equal((before.json as { Warnings: null }).Warnings, null)
  server.mesh.setMember(nodeId(walled), 'alive', true)
  const { json } = await server.call('GET', `/nodes/${walled}`)
  assert.equal((json as { Mesh: { UdpBlocked: boolean } }).Mesh.UdpBlocked, true)
  const info = await server.call('GET', '/info')
  assert.match((info.json as { Warnings: string[] }).Warnings.join(), /UDP is blocked/)
})

test('a node takes a new availability and labels', async () => {
  await using server = await startApi()
  const { json } = await server.call('GET', '/nodes/n2')
  const { ID, Version, Spec } = json as ShownNode
  const path = `/nodes/${ID}/update?version=${Version.Index}`
  const wanted = { ...Spec, Availability: 'drain', Labels: { disk: 'ssd' } }
  assert.equal((await server.call('POST', path, wanted)).status, 200)
  const after = await server.call('GET', '/nodes/n2')
  assert.deepEqual((after.json as ShownNode).Spec, wanted)
})

async function setRole(server: ApiServer, name: string, Role: string): Promise<Reply> {
  const { json } = await server.call('GET', `/nodes/${name}`)
  const { ID, Version, Spec } = json as ShownNode
  const path = `/nodes/${ID}/update?version=${Version.Index}`
  return server.call('POST', path, { ...Spec, Role })
}

const raftIdOfNode = async (server: ApiServer, name: string): Promise<number> => {
  const { json } = await server.call('GET', `/nodes/${name}`)
  return (json as { Mesh: { RaftId: number } }).Mesh.RaftId
}

test('managers are demoted down to the last one, and promoted under another Raft id', async () => {
  await using server = await startApi()
  const [, second] = server.mesh.nodeIds
  assert.ok(second !== undefined)
  assert.equal((await setRole(server, 'n2', 'worker')).status, 200)
  assert.equal(await raftIdOfNode(server, 'n2'), raftIdOf(second))
  assert.equal((await setRole(server, 'n2', 'manager')).status, 200)
  assert.equal(await raftIdOfNode(server, 'n2'), nextRaftId(second, raftIdOf(second)))
  assert.equal((await setRole(server, 'n2', 'worker')).status, 200)
  assert.equal((await setRole(server, 'n3', 'worker')).status, 200)
  const last = await setRole(server, 'n1', 'worker')
  assert.equal(last.status, 409)
  assert.match(messageOf(last.json), /last manager/)
})

test('a demotion that breaks the quorum is refused with the arithmetic', async () => {
  await using server = await startApi({}, { nodes: ['n1', 'n2', 'n3', 'n4', 'n5'] })
  const [, , , fourth, fifth] = server.mesh.nodeIds
  assert.ok(fourth !== undefined && fifth !== undefined)
  for (const id of [fourth, fifth]) server.mesh.setMember(id, 'dead')
  const refused = await setRole(server, 'n2', 'worker')
  assert.equal(refused.status, 409)
  const expected =
    /Of the 4 managers that stay 3 must agree, and 2 can be reached \(n1, n3; not n4, n5\)/
  assert.match(messageOf(refused.json), expected)
  assert.equal((await setRole(server, 'n4', 'worker')).status, 200, 'one that is lost may go')
})

test('a node is removed when it is down or by force, a manager never', async () => {
  await using server = await startApi()
  const third = server.mesh.nodeIds[2]
  assert.ok(third !== undefined)
  server.mesh.setMember(third, 'dead')
  const manager = await server.call('DELETE', '/nodes/n3?force=1')
  assert.equal(manager.status, 409)
  assert.match(messageOf(manager.json), /demote it first/i)
  assert.equal((await setRole(server, 'n3', 'worker')).status, 200)
  server.mesh.raftMembers.add(third)
  const counted = await server.call('DELETE', '/nodes/n3')
  assert.equal(counted.status, 409)
  assert.match(messageOf(counted.json), /Raft still counts on it/)
  server.mesh.raftMembers.clear()
  server.mesh.setMember(third, 'alive')
  assert.equal((await server.call('DELETE', '/nodes/n3')).status, 409)
  assert.equal((await server.call('DELETE', '/nodes/n3?force=1')).status, 200)
  assert.equal((await server.call('GET', '/nodes/n3')).status, 404)
})

test('a worker leaves when asked, a manager only by force, and not at the word of another', async () => {
  let left = 0
  const leave = (): void => void left++
  {
    await using server = await startApi({ leave })
    const refused = await server.call('POST', '/swarm/leave')
    assert.equal(refused.status, 503)
    assert.match(messageOf(refused.json), /2 must agree, and 2 can be reached/)
    assert.equal(left, 0)
    // What its daemon does once it sees that it was demoted.
    server.mesh.watchCatalog(() => {
      const own = server.mesh.view().catalog.get('node', server.mesh.self)
      assert.ok(own !== undefined)
      server.mesh.role = nodeView(own).role
    })
    assert.equal((await server.call('POST', '/swarm/leave?force=1')).status, 200)
    assert.equal(server.mesh.role, 'worker', 'it was demoted first')
    assert.equal((await server.call('POST', '/swarm/leave')).status, 200)
  }
  assert.equal(left, 2)
  await using alone = await startApi({ leave }, { nodes: ['n1'] })
  const last = await alone.call('POST', '/swarm/leave')
  assert.match(messageOf(last.json), /last manager/)
  assert.equal((await alone.call('POST', '/swarm/leave?force=1')).status, 200)
  assert.equal(left, 3)
})

test('tasks are found by service, node, slot name and state', async () => {
  await using server = await startApi()
  const spec = { ...webSpec, Mode: { Replicated: { Replicas: 3 } } }
  await server.call('POST', '/services/create', spec)
  const list = async (filters: object): Promise<ShownTask[]> => {
    const { json, text, status } = await server.call('GET', `/tasks?${filtersOf(filters)}`)
    assert.equal(status, 200, text)
    return json as ShownTask[]
  }
  assert.equal((await list({ service: ['web'] })).length, 3)
  assert.equal((await list({ service: ['nosuch'] })).length, 0)
  assert.equal((await list({ name: { 'web.2': true } }))[0]?.Slot, 2)
  assert.equal((await list({ node: ['n1'], 'desired-state': ['running'] })).length, 1)
  assert.equal((await list({ 'desired-state': ['shutdown'] })).length, 0)
  assert.equal((await list({ service: ['web'], '_up-to-date': { true: true } })).length, 3)
  const [first] = await list({})
  const one = await server.call('GET', `/tasks/${first?.ID}`)
  assert.equal((one.json as ShownTask).ID, first?.ID)
})

test('the swarm shows join tokens and no other secret; a rotation changes one of them', async () => {
  await using server = await startApi()
  const read = async (): Promise<{
    Version: { Index: number }
    Spec: object
    JoinTokens: { Worker: string; Manager: string }
  }> => {
    const { json, text } = await server.call('GET', '/swarm')
    assert.doesNotMatch(text, /KEY OF THE TEST|GossipKeys/)
    return json as Awaited<ReturnType<typeof read>>
  }
  const before = await read()
  const path = `/swarm/update?version=${before.Version.Index}&rotateWorkerToken=true`
  const { status, text } = await server.call('POST', path, before.Spec)
  assert.equal(status, 200, text)
  const after = await read()
  assert.notEqual(after.JoinTokens.Worker, before.JoinTokens.Worker)
  assert.equal(after.JoinTokens.Manager, before.JoinTokens.Manager)
  const changed = { ...before.Spec, Raft: { SnapshotInterval: 5 } }
  const refused = await server.call('POST', `/swarm/update?version=${after.Version.Index}`, changed)
  assert.equal(refused.status, 501)
  assert.match(messageOf(refused.json), /Raft/)
})

test('no answer of the API holds a secret of the cluster', async () => {
  await using server = await startApi()
  await server.call('POST', '/services/create', webSpec)
  for (const path of ['/info', '/nodes', '/swarm', '/services', '/tasks', '/version']) {
    const { text } = await server.call('GET', path)
    assert.doesNotMatch(text, /KEY OF THE TEST|GossipKey|CaKey/, path)
  }
})

test('a worker answers for itself and refuses the rest, naming the managers', async () => {
  await using server = await startApi()
  server.mesh.role = 'worker'
  assert.equal((await server.call('GET', '/_ping')).headers['swarm'], 'active/worker')
  const { json } = await server.call('GET', '/info')
  const { Swarm } = json as { Swarm: { ControlAvailable: boolean; Cluster?: object } }
  assert.equal(Swarm.ControlAvailable, false)
  assert.equal(Swarm.Cluster, undefined)
  for (const path of ['/services', '/nodes', '/tasks', '/swarm', '/networks']) {
    const answer = await server.call('GET', path)
    assert.equal(answer.status, 503, path)
    const said = messageOf(answer.json)
    assert.match(said, /not a swarm manager/)
    for (const host of ['127.0.0.1', '127.0.0.2']) assert.ok(said.includes(`${host}:2377`), said)
  }
  assert.equal((await server.call('POST', '/services/create', webSpec)).status, 503)
})

test('another node may call only while the table has it as a manager', async () => {
  const stranger = nodeId('z'.repeat(25))
  await using server = await startApi({}, { caller: { kind: 'peer', node: stranger } })
  const refused = await server.call('GET', '/services')
  assert.equal(refused.status, 403)
  assert.match(messageOf(refused.json), /not a member/)
})
