import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../../mesh/base/log.ts'
import { MeshError } from '../../../mesh/base/mesh-error.ts'
import { SeededRandom } from '../../../mesh/base/random.ts'
import { applyTransaction } from '../../../mesh/catalog/apply-transaction.ts'
import type { ApplyResult, Change } from '../../../mesh/catalog/types.ts'
import type { LeaderView } from '../../../mesh/node/mesh-node.ts'
import { Leader } from '../../../src/leader/leader.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { ClusterTwin, idOf } from '../orchestrator/cluster-twin.ts'

/** Two leaders never draw the same ids. */
let seeds = 1

/** A mesh of one, which does what it is told, as slowly or as badly as a test wants. */
class MeshTwin {
  readonly cluster: ClusterTwin
  readonly clock: FakeClock
  readonly writtenAtMs: number[] = []
  barriers = 0
  outstanding = 0
  mostOutstanding = 0
  writeDelayMs = 1
  /** How long after a write is acknowledged the view shows it. */
  viewLagMs = 0
  /** When a write whose answer was a fault takes effect after all; 0: never. */
  lateByMs = 0
  lateWrites = 0
  barrierFault: MeshError | null = null
  /** Faults for the next proposals, in order; null lets one through. */
  faults: (MeshError | 'refuse' | null)[] = []
  readonly leader: Leader
  #seen: ClusterTwin['catalog']
  #followLeader: (view: LeaderView) => void = () => {}
  #changed: () => void = () => {}

  /** Given both, it is another manager of the same cluster. */
  constructor(cluster = new ClusterTwin(), clock = new FakeClock()) {
    this.cluster = cluster
    this.clock = clock
    this.#seen = cluster.catalog
    this.leader = new Leader({
      mesh: {
        propose: (changes) => this.#propose(changes),
        barrier: () => this.#barrier(),
        watchLeader: (listener) => {
          this.#followLeader = listener
          return () => (this.#followLeader = () => {})
        },
      },
      view: () => ({ ...this.cluster.view, catalog: this.#seen }),
      watchView: (listener) => {
        this.#changed = listener
        return () => (this.#changed = () => {})
      },
      clock: this.clock,
      random: new SeededRandom(seeds++),
      log: silentLog,
    })
    this.leader.start()
  }

  elect(term: number, isSelf = true): void {
    this.#followLeader({ leader: isSelf ? idOf('n1') : idOf('n2'), isSelf, term })
  }

  /** Something happened, and the node noticed. */
  change(happen: () => void): void {
    this.cluster.nowMs = this.clock.nowMs()
    happen()
    this.#show()
  }

  async #barrier(): Promise<void> {
    this.barriers++
    if (this.barrierFault !== null) throw this.barrierFault
  }

  async #propose(changes: readonly Change[]): Promise<ApplyResult> {
    this.mostOutstanding = Math.max(this.mostOutstanding, ++this.outstanding)
    await new Promise<void>((resolve) => this.clock.after(this.writeDelayMs, resolve))
    this.outstanding--
    this.writtenAtMs.push(this.clock.nowMs())
    const fault = this.faults.shift() ?? null
    if (fault === 'refuse') return this.#refused()
    if (fault !== null && this.lateByMs > 0) {
      this.clock.after(this.lateByMs, () => void this.#write(changes, this.lateWrites++))
    }
    if (fault !== null) throw fault
    return this.#write(changes)
  }

  #write(changes: readonly Change[], number = 0): ApplyResult {
    const { cluster } = this
    const request = `leader ${cluster.catalog.index} ${number}`
    const transaction = { request, atMs: this.clock.nowMs(), changes }
    const applied = applyTransaction(cluster.catalog, transaction, cluster.catalog.index + 1)
    cluster.catalog = applied.catalog
    if (this.viewLagMs === 0) this.#show()
    else this.clock.after(this.viewLagMs, () => this.#show())
    return applied.result
  }

  /** Other news than that of the catalog. */
  notice(): void {
    this.#changed()
  }

  #show(): void {
    this.#seen = this.cluster.catalog
    this.#changed()
  }

  #refused(): ApplyResult {
    const ref = { kind: 'task', id: 'x' }
    const refusal = { code: 'catalog/version-conflict', ref, expected: 1, actual: 2 } as const
    return { kind: 'refused', index: this.cluster.catalog.index, refusal }
  }
}

function meshWithService(): MeshTwin {
  const mesh = new MeshTwin()
  mesh.change(() => {
    mesh.cluster.addNode('n1')
    // The node is known as ready: what is left to write is nothing but the tasks.
    mesh.cluster.pass()
    mesh.cluster.addService('web', { Mode: { Replicated: { Replicas: 2 } } })
  })
  return mesh
}

test('a node that does not lead proposes nothing', async () => {
  const mesh = meshWithService()
  mesh.elect(1, false)
  mesh.change(() => mesh.cluster.scale('web', 3))
  await mesh.clock.run(5000)
  assert.deepEqual([mesh.writtenAtMs, mesh.barriers], [[], 0])
})

test('a new leader first reads the latest, then does what is needed, then rests', async () => {
  const mesh = meshWithService()
  mesh.elect(1)
  await mesh.clock.run(1000)
  assert.equal(mesh.barriers, 1)
  assert.equal(mesh.cluster.tasks.length, 2)
  assert.equal(mesh.writtenAtMs.length, 1)
})

test('a change while it rests is answered at once, many changes in one write per 100 ms', async () => {
  const mesh = meshWithService()
  mesh.elect(1)
  await mesh.clock.run(1000)
  const atMs = mesh.clock.nowMs()
  for (let replicas = 3; replicas < 43; replicas++) {
    mesh.change(() => mesh.cluster.scale('web', replicas))
    await mesh.clock.run(10)
  }
  const writes = mesh.writtenAtMs.slice(1)
  assert.ok((writes[0] ?? 0) - atMs < 10)
  assert.ok(writes.length >= 3 && writes.length <= 5, `${writes.length} writes in 400 ms`)
  await mesh.clock.run(1000)
  assert.equal(mesh.cluster.tasks.length, 42)
})

test('one proposal is on its way at a time, however slow', async () => {
  const mesh = meshWithService()
  mesh.writeDelayMs = 700
  mesh.elect(1)
  for (let replicas = 3; replicas < 20; replicas++) {
    await mesh.clock.run(100)
    mesh.change(() => mesh.cluster.scale('web', replicas))
  }
  await mesh.clock.run(5000)
  assert.equal(mesh.mostOutstanding, 1)
  assert.equal(mesh.cluster.tasks.length, 19)
})

test('a write that the view does not show yet is not made twice', async () => {
  const mesh = meshWithService()
  mesh.viewLagMs = 700
  mesh.elect(1)
  for (let at = 0; at < 20; at++) {
    await mesh.clock.run(100)
    mesh.notice()
  }
  assert.equal(mesh.cluster.tasks.length, 2)
  assert.equal(mesh.writtenAtMs.length, 1)
})

test('it looks again when something falls due, without being told', async () => {
  const mesh = meshWithService()
  mesh.elect(1)
  await mesh.clock.run(1000)
  mesh.change(() => mesh.cluster.setMember('n1', 'dead'))
  await mesh.clock.run(1900)
  assert.ok(mesh.cluster.wanted.every((task) => task.node === idOf('n1')))
  await mesh.clock.run(300)
  assert.ok(mesh.cluster.wanted.every((task) => task.node === null))
})

test('after a refusal it looks again, and what is needed is done once', async () => {
  const mesh = meshWithService()
  mesh.faults = ['refuse', 'refuse']
  mesh.elect(1)
  await mesh.clock.run(3000)
  assert.equal(mesh.cluster.tasks.length, 2)
  assert.equal(mesh.barriers, 1)
})

test('after a proposal of unknown fate it reads the latest before it goes on', async () => {
  const mesh = meshWithService()
  mesh.faults = [new MeshError({ code: 'raft/outcome-unknown', request: 'r' })]
  mesh.elect(1)
  await mesh.clock.run(3000)
  assert.equal(mesh.barriers, 2)
  assert.equal(mesh.cluster.tasks.length, 2)
})

test('without a quorum it tries again ever more slowly, and goes on when there is one', async () => {
  const mesh = meshWithService()
  mesh.barrierFault = new MeshError({ code: 'raft/no-leader', unreachable: [] })
  mesh.elect(1)
  await mesh.clock.run(20_000)
  assert.ok(mesh.barriers > 5 && mesh.barriers < 20, `${mesh.barriers} tries`)
  assert.deepEqual(mesh.writtenAtMs, [])
  mesh.barrierFault = null
  await mesh.clock.run(3000)
  assert.equal(mesh.cluster.tasks.length, 2)
})

test('of two that believe they lead, only the one that knows the last write is heard', async () => {
  const former = meshWithService()
  const next = new MeshTwin(former.cluster, former.clock)
  former.writeDelayMs = 700
  former.elect(1)
  await former.clock.run(50)
  next.elect(2)
  await former.clock.run(200)
  assert.equal(next.writtenAtMs.length, 1)
  former.change(() => {})
  await former.clock.run(3000)
  assert.ok(former.writtenAtMs.length > 0)
  assert.equal(former.cluster.tasks.length, 2)
})

test('an own write that comes late after all is no second one', async () => {
  const mesh = meshWithService()
  const unknown = new MeshError({ code: 'raft/outcome-unknown', request: 'r' })
  mesh.faults = [unknown]
  mesh.lateByMs = 2000
  mesh.elect(1)
  await mesh.clock.run(5000)
  assert.equal(mesh.lateWrites, 1)
  assert.equal(mesh.cluster.tasks.length, 2)
})

test('a leader that lost its office or was stopped does nothing more', async () => {
  for (const end of [
    (mesh: MeshTwin): void => mesh.elect(2, false),
    (mesh: MeshTwin): void => mesh.leader.stop(),
  ]) {
    const mesh = meshWithService()
    mesh.elect(1)
    await mesh.clock.run(1000)
    end(mesh)
    mesh.change(() => mesh.cluster.scale('web', 9))
    await mesh.clock.run(5000)
    assert.equal(mesh.cluster.tasks.length, 2)
    assert.equal(mesh.leader.explanations().size, 0)
  }
})

test('leading again in a later term starts over', async () => {
  const mesh = meshWithService()
  mesh.elect(1)
  await mesh.clock.run(1000)
  mesh.elect(2, false)
  mesh.elect(3)
  mesh.change(() => mesh.cluster.scale('web', 4))
  await mesh.clock.run(1000)
  assert.equal(mesh.barriers, 2)
  assert.equal(mesh.cluster.tasks.length, 4)
})

test('it can say why a service waits', async () => {
  const mesh = new MeshTwin()
  mesh.change(() => mesh.cluster.addService('web'))
  mesh.elect(1)
  await mesh.clock.run(1000)
  const { id } = mesh.cluster.service('web')
  assert.match(mesh.leader.explanations().get(id)?.hint ?? '', /join-token/)
})
