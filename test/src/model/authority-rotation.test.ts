import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeId, type NodeId } from '../../../mesh/base/ids.ts'
import { SeededRandom } from '../../../mesh/base/random.ts'
import { CatalogView } from '../../../mesh/catalog/catalog-view.ts'
import type { RotationMark } from '../../../mesh/catalog/policy.ts'
import type { Change, StoredObject } from '../../../mesh/catalog/types.ts'
import {
  authorityTrust,
  beginRotation,
  presentAuthority,
  rotationDue,
} from '../../../src/model/authority-rotation.ts'
import type { Cluster } from '../../../src/model/docker.ts'
import { project } from '../../../src/model/projection.ts'

const nodes = ['a', 'b', 'c'].map((name) => nodeId(name))

/** A cluster whose leader may change at any moment: all that is known of a rotation is in the table. */
class Rotating {
  readonly catalog = new CatalogView()
  readonly marks = new Map<NodeId, RotationMark>()
  readonly down = new Set<NodeId>()
  nowMs = 1_000_000
  #index = 0

  constructor() {
    for (const id of nodes) this.#put('node', id, { Spec: {}, Description: {}, Status: {} })
    const JoinSecrets = { Manager: 'm0', Worker: 'w0' }
    const Secrets = { CaKeyPem: 'key 0', JoinSecrets, GossipKeys: ['g'] }
    this.#put('cluster', 'c', { CaCertificatePem: 'root 0', Secrets })
  }

  get cluster(): Cluster {
    return this.catalog.list('cluster')[0]?.body as unknown as Cluster
  }

  begin(number: number, signerPem = `root ${number}`): void {
    const names = { id: `r${number}`, rootPem: `root ${number}`, keyPem: `key ${number}` }
    const next = { ...names, signerPem, crossPem: `cross ${number}` }
    this.#put('cluster', 'c', beginRotation(this.cluster, next, this.nowMs))
  }

  due(): readonly Change[] {
    return rotationDue(this.catalog, {
      nowMs: this.nowMs,
      markOf: (node) => this.marks.get(node) ?? null,
      isDown: (node) => this.down.has(node),
      joinSecrets: { manager: 'm1', worker: 'w1' },
    })
  }

  /** What the leader does when it looks; false when nothing was due. */
  look(): boolean {
    const [change] = this.due()
    if (change === undefined) return false
    assert.ok(change.kind === 'update')
    assert.equal(change.ifVersion, this.catalog.list('cluster')[0]?.version)
    this.#put('cluster', 'c', change.object.body as object)
    return true
  }

  mark(node: NodeId): void {
    const { rotation } = authorityTrust(this.catalog) ?? { rotation: null }
    if (rotation !== null) this.marks.set(node, rotation)
  }

  #put(kind: string, id: string, body: object): void {
    const index = ++this.#index
    const times = { version: index, createdAtMs: 0, updatedAtMs: 0 }
    const stored: StoredObject = { kind, id, claims: [], body: body as never, ...times }
    this.catalog.apply({ index, reset: false, upserts: [stored], removals: [] })
  }
}

test('all trust the next root before it issues, and the old one goes when all have its certificates', () => {
  const it = new Rotating()
  assert.equal(it.look(), false)
  it.begin(1)
  assert.equal(presentAuthority(it.catalog)?.signerPem, 'root 0')
  assert.deepEqual(authorityTrust(it.catalog)?.trustedPem, ['root 0', 'root 1'])
  for (const step of ['trust', 'issue']) {
    it.nowMs += 10_000
    for (const node of nodes) {
      assert.equal(it.look(), false, `${step}: ${node} has not taken it`)
      it.mark(node)
    }
    assert.equal(it.look(), true)
    if (step === 'issue') break
    const present = presentAuthority(it.catalog)
    assert.deepEqual([present?.signerPem, present?.caKeyPem], ['root 1', 'key 1'])
    assert.deepEqual([present?.caCertificatePem, present?.chainPem], ['root 0', ['cross 1']])
  }
  const { trustedPem, chainPem, caKeyPem, joinSecrets } = presentAuthority(it.catalog) ?? {}
  assert.deepEqual([trustedPem, chainPem, caKeyPem], [['root 1'], ['cross 1'], 'key 1'])
  assert.deepEqual(joinSecrets, { manager: 'm1', worker: 'w1' })
  assert.equal(JSON.stringify(it.cluster).includes('key 0'), false, 'the old key is gone')
  assert.equal(it.look(), false)
})

test('what was said of another rotation, or of an earlier step, does not count', () => {
  const it = new Rotating()
  it.begin(1)
  for (const node of nodes) it.marks.set(node, { id: 'r0', step: 'issue' })
  it.nowMs += 10_000
  assert.equal(it.look(), false)
  for (const node of nodes) it.mark(node)
  assert.equal(it.look(), true)
  it.nowMs += 10_000
  assert.equal(it.look(), false, 'they trust, but have no new certificate')
})

test('who is down is waited for as long as a restart takes, who hangs for minutes, nobody for ever', () => {
  for (const [isDown, waitMs] of [
    [true, 15_000],
    [false, 300_000],
  ] as const) {
    const it = new Rotating()
    it.begin(1)
    const [late = nodeId(''), ...others] = nodes
    if (isDown) it.down.add(late)
    for (const node of others) it.mark(node)
    it.nowMs += waitMs - 1
    assert.equal(it.look(), false)
    it.nowMs += 1
    assert.equal(it.look(), true)
  }
})

test('an intermediate signs in place of its root, and words for successors are kept, not for ever', () => {
  const it = new Rotating()
  for (let number = 1; number <= 8; number++) {
    it.begin(number, `signer ${number}`)
    for (const _ of ['trust', 'issue']) {
      it.nowMs += 400_000
      assert.equal(it.look(), true)
      assert.equal(presentAuthority(it.catalog)?.signerPem, `signer ${number}`)
    }
  }
  const chain = presentAuthority(it.catalog)?.chainPem
  assert.deepEqual(chain, ['signer 8', 'cross 8', 'signer 7', 'cross 7', 'signer 6'])
})

test('a worker sees whom to trust at every step, and never a key', () => {
  const it = new Rotating()
  it.begin(1, 'signer 1')
  for (const step of ['trust', 'issue', 'done']) {
    const worker = new CatalogView()
    const upserts = project(it.catalog, nodeId('a'))
    worker.apply({ index: 1, reset: true, upserts, removals: [] })
    assert.deepEqual(authorityTrust(worker), authorityTrust(it.catalog), step)
    assert.equal(presentAuthority(worker), null)
    assert.doesNotMatch(JSON.stringify(upserts), /key \d/)
    it.nowMs += 400_000
    it.look()
  }
})

test('over 300 seeds, whoever is told things in whatever order: nobody is left without a way in', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new SeededRandom(seed)
    const it = new Rotating()
    /** Root that a node trusts, and the one that its certificate leads to. */
    const held = new Map(nodes.map((id) => [id, { trusts: ['root 0'], issuer: 'root 0' }]))
    it.begin(1)
    for (let turn = 0; turn < 400 && it.cluster.CaRotation !== undefined; turn++) {
      it.nowMs += random.below(3000)
      const node = nodes[random.below(nodes.length)] ?? nodeId('')
      if (random.below(20) === 0 && it.down.size === 0) it.down.add(node)
      else if (random.below(10) === 0) it.down.clear()
      const trust = authorityTrust(it.catalog)
      assert.ok(trust !== null)
      if (!it.down.has(node)) {
        const before = held.get(node)
        const isLate = random.below(2) === 0 && before !== undefined
        const issuer = isLate ? before.issuer : trust.signerPem
        held.set(node, { trusts: [...trust.trustedPem], issuer })
        if (trust.rotation?.step === 'trust' || issuer === trust.signerPem) it.mark(node)
      }
      it.look()
      const up = nodes.filter((id) => !it.down.has(id) && it.marks.has(id))
      const present = presentAuthority(it.catalog)
      const isEnding = it.cluster.CaRotation === undefined
      for (const id of isEnding ? [] : up) {
        const roots = held.get(id)?.trusts ?? []
        const isReached = up.every((other) => roots.includes(held.get(other)?.issuer ?? ''))
        assert.ok(isReached, `seed ${seed}: ${id} refuses a node that has followed`)
      }
      assert.ok(present !== null)
    }
    assert.equal(it.cluster.CaRotation, undefined, `seed ${seed}: it ends`)
    assert.deepEqual(presentAuthority(it.catalog)?.chainPem, ['cross 1'])
  }
})
