import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../../mesh/base/clock.ts'
import { nodeId, type NodeId, type NodeRole } from '../../../mesh/base/ids.ts'
import type { Json } from '../../../mesh/base/json.ts'
import { silentLog } from '../../../mesh/base/log.ts'
import { CatalogView } from '../../../mesh/catalog/catalog-view.ts'
import { caDigest, formatJoinToken } from '../../../mesh/identity/join-token.ts'
import type { LocalMeshNode } from '../../../mesh/node/local-mesh-node.ts'
import type { MeshNodeDeps, MeshNodeOptions } from '../../../mesh/node/mesh-node-options.ts'
import { nextRaftId } from '../../../mesh/node/raft-id.ts'
import { startMeshNode } from '../../../mesh/node/start-mesh-node.ts'
import { NodeDisk } from '../../../mesh/storage/node-disk.ts'
import { ControlListener } from '../../../mesh/transport/control-listener.ts'
import type { Node } from '../../../src/model/docker.ts'
import { meshPolicy } from '../../../src/model/mesh-policy.ts'
import { systemClock } from '../../../src/runtime/system-clock.ts'
import { systemRandom } from '../../../src/runtime/system-random.ts'
import { eventually } from '../../support/daemon.ts'

const description = {
  Hostname: 'test',
  Platform: { Architecture: 'x86_64', OS: 'linux' },
  Resources: { NanoCPUs: 1e9, MemoryBytes: 1e9 },
  Engine: { EngineVersion: '0' },
  Runtime: 'process',
}

export interface RealNode {
  readonly node: LocalMeshNode
  /** What it knows, kept up to date. */
  readonly view: CatalogView
  stop(): Promise<void>
}

/** Whole nodes of the mesh in this process: real sockets on loopback, real disks. */
export class RealNodes implements AsyncDisposable {
  /** Added to the wall clock of all nodes. */
  offsetMs = 0
  readonly dir: string = mkdtempSync(join(tmpdir(), 'meshd-real-nodes-'))
  readonly #block: string
  readonly #running = new Map<number, RealNode>()
  readonly #clock: Clock = {
    nowMs: () => systemClock.nowMs() + this.offsetMs,
    monotonicMs: () => systemClock.monotonicMs(),
    after: (delayMs, action) => systemClock.after(delayMs, action),
    every: (periodMs, action) => systemClock.every(periodMs, action),
  }

  /** `block` such as `127.0.31`: node 1 gets .1 and so on. */
  constructor(block: string) {
    this.#block = block
  }

  get(number: number): RealNode {
    const running = this.#running.get(number)
    assert.ok(running !== undefined, `node ${number} does not run`)
    return running
  }

  async found(): Promise<RealNode> {
    const founder = await this.start(1, null)
    await eventually('the founder leads', 5000, () => founder.node.leader().isSelf)
    return founder
  }

  /** Through node 1. */
  join(number: number, role: NodeRole): Promise<RealNode> {
    const cluster = meshPolicy.authority(this.get(1).view)
    assert.ok(cluster !== null)
    const digest = caDigest(cluster.caCertificatePem)
    const token = formatJoinToken({ caDigest: digest, secret: cluster.joinSecrets[role] })
    return this.start(number, { token, host: `${this.#block}.1`, port: 2377, timeoutMs: 10_000 })
  }

  /** With what is on its disk when `joinVia` is null. */
  async start(number: number, joinVia: MeshNodeOptions['join'] = null): Promise<RealNode> {
    const host = `${this.#block}.${number}`
    const facts = {
      name: `n${number}`,
      gossipAddress: `${host}:7946`,
      controlAddress: `${host}:2377`,
      dataPathAddress: `${host}:4789`,
      availability: 'active',
      description,
    } as const
    const deps: MeshNodeDeps = {
      disk: new NodeDisk(join(this.dir, String(number))),
      policy: meshPolicy,
      clock: this.#clock,
      random: systemRandom,
      log: silentLog,
      eventLoopDelayMs: () => 0,
      fatal: (error) => assert.fail(error),
    }
    const { node } = await startMeshNode(
      { facts, listenHost: host, gossipPort: 7946, join: joinVia },
      deps,
    )
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
    node.onIdentity((identity) => listener.useIdentity(identity))
    const view = new CatalogView()
    node.watchCatalog((delta) => view.apply(delta))
    const running: RealNode = {
      node,
      view,
      stop: async () => {
        this.#running.delete(number)
        await listener.close()
        await node.stop()
      },
    }
    this.#running.set(number, running)
    return running
  }

  /** As the API does it, through the node that leads. */
  async setRole(self: NodeId, role: NodeRole): Promise<void> {
    const leader = [...this.#running.values()].find(({ node }) => node.leader().isSelf)
    assert.ok(leader !== undefined, 'somebody leads')
    const stored = leader.view.get('node', self)
    const body = stored?.body as unknown as Node
    const raftId = role === 'manager' ? nextRaftId(self, body.Mesh.RaftId) : body.Mesh.RaftId
    const changed = {
      ...body,
      Spec: { ...body.Spec, Role: role },
      Mesh: { ...body.Mesh, RaftId: raftId },
    }
    const object = { kind: 'node', id: self, claims: [`raft/${raftId}`] }
    const result = await leader.node.propose([
      {
        kind: 'update',
        object: { ...object, body: changed as unknown as Json },
        ifVersion: null,
      },
    ])
    assert.equal(result.kind, 'applied')
  }

  async removeNode(id: string): Promise<void> {
    const ref = { kind: 'node', id: nodeId(id) }
    const { node } = this.get(1)
    const result = await node.propose([{ kind: 'delete', ref, ifVersion: null }])
    assert.equal(result.kind, 'applied')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running.values()].map((node) => node.stop()))
    rmSync(this.dir, { recursive: true, force: true })
  }
}
