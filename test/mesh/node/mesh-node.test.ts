import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { CatalogView } from '../../../mesh/catalog/catalog-view.ts'
import { silentLog } from '../../../mesh/base/log.ts'
import { caDigest, formatJoinToken } from '../../../mesh/identity/join-token.ts'
import type { LocalMeshNode } from '../../../mesh/node/local-mesh-node.ts'
import type { MeshNodeDeps, MeshNodeOptions } from '../../../mesh/node/mesh-node-options.ts'
import { startMeshNode } from '../../../mesh/node/start-mesh-node.ts'
import { NodeDisk } from '../../../mesh/storage/node-disk.ts'
import { ControlListener } from '../../../mesh/transport/control-listener.ts'
import { meshPolicy } from '../../../src/model/mesh-policy.ts'
import { systemClock } from '../../../src/runtime/system-clock.ts'
import { systemRandom } from '../../../src/runtime/system-random.ts'
import { eventually } from '../../support/daemon.ts'

const block = '127.0.30'
const dir = mkdtempSync(join(tmpdir(), 'meshd-mesh-node-'))

const description = {
  Hostname: 'test',
  Platform: { Architecture: 'x86_64', OS: 'linux' },
  Resources: { NanoCPUs: 1e9, MemoryBytes: 1e9 },
  Engine: { EngineVersion: '0' },
  Runtime: 'process',
}

interface Started {
  readonly node: LocalMeshNode
  stop(): Promise<void>
}

async function start(number: number, joinVia: MeshNodeOptions['join']): Promise<Started> {
  const host = `${block}.${number}`
  const facts = {
    name: `n${number}`,
    gossipAddress: `${host}:7946`,
    controlAddress: `${host}:2377`,
    dataPathAddress: `${host}:4789`,
    availability: 'active',
    description,
  } as const
  const deps: MeshNodeDeps = {
    disk: new NodeDisk(join(dir, String(number))),
    policy: meshPolicy,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    eventLoopDelayMs: () => 0,
    fatal: (error) => assert.fail(error),
  }
  const options = { facts, listenHost: host, gossipPort: 7946, join: joinVia }
  const { node } = await startMeshNode(options, deps)
  const listener = await ControlListener.open(
    {
      identity: node.identity,
      listen: { host, port: 2377 },
      isMember: (id, peerId) => node.isMember(id, peerId),
      onJoin: (request, remote) => node.answerJoin(request, remote),
      onRenewal: (request) => node.answerRenewal(request),
      onApiConnection: (socket) => socket.destroy(),
    },
    deps,
  )
  const stop = async (): Promise<void> => {
    await listener.close()
    await node.stop()
  }
  return { node, stop }
}

function aliveAt(node: LocalMeshNode): number {
  let alive = 0
  node.watchMembers((members) => {
    alive = members.filter(({ state }) => state === 'alive').length
  })()
  return alive
}

function names(node: LocalMeshNode): string[] {
  let found: string[] = []
  node.watchCatalog((delta) => {
    found = delta.upserts.filter(({ kind }) => kind === 'service').map(({ id }) => id)
  })()
  return found
}

test('machines found, join and come back as one cluster', async () => {
  const running = new Map<number, Started>()
  try {
    running.set(1, await start(1, null))
    const first = (running.get(1) as Started).node
    await eventually('the founder leads', 5000, () => first.leader().isSelf)
    const view = new CatalogView()
    first.watchCatalog((delta) => view.apply(delta))
    const cluster = meshPolicy.authority(view)
    assert.ok(cluster !== null)
    const digest = caDigest(cluster.caCertificatePem)
    const via = (secret: string) => ({
      token: formatJoinToken({ caDigest: digest, secret }),
      host: `${block}.1`,
      port: 2377,
      timeoutMs: 10_000,
    })
    const { manager, worker } = cluster.joinSecrets
    running.set(2, await start(2, via(manager)))
    running.set(3, await start(3, via(manager)))
    running.set(4, await start(4, via(worker)))
    const nodes = [...running.values()].map(({ node }) => node)
    assert.deepEqual(
      nodes.map(({ role }) => role),
      ['manager', 'manager', 'manager', 'worker'],
    )
    for (const node of nodes) {
      await eventually('it sees four alive', 10_000, () => aliveAt(node) === 4)
    }

    const second = nodes[1] as LocalMeshNode
    await eventually('a follower knows the leader', 5000, () => second.leader().leader !== null)
    const result = await second.propose([
      { kind: 'create', object: { kind: 'service', id: 'web', claims: [], body: { Spec: {} } } },
    ])
    assert.equal(result.kind, 'applied')
    for (const node of nodes.slice(0, 3)) {
      await eventually('every manager has it', 5000, () => names(node).includes('web'))
    }
    await assert.rejects((nodes[3] as LocalMeshNode).propose([]), /raft\/not-a-manager/)

    const heard: string[] = []
    nodes[3]?.watchRecords((records) => heard.push(...records.map(({ key }) => key)))
    first.publish('task/1', { state: 'running' })
    await eventually('a record reaches the worker', 5000, () => heard.includes('task/1'))

    const idBefore = second.self
    await running.get(2)?.stop()
    running.set(2, await start(2, null))
    assert.equal(running.get(2)?.node.self, idBefore)
    const back = (running.get(2) as Started).node
    await eventually(
      'it is back',
      10_000,
      () => names(back).includes('web') && aliveAt(first) === 4,
    )
  } finally {
    await Promise.all([...running.values()].map(({ stop }) => stop()))
    rmSync(dir, { recursive: true, force: true })
  }
})
