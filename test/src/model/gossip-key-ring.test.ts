import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CatalogView } from '../../../mesh/catalog/catalog-view.ts'
import type { Change } from '../../../mesh/catalog/types.ts'
import {
  beginKeyChange,
  gossipKeys,
  isKeyWorn,
  keyChangeDue,
} from '../../../src/model/gossip-key-ring.ts'

class OneCluster {
  readonly catalog = new CatalogView()
  #index = 0

  constructor() {
    this.#put({ Secrets: { GossipKeys: ['old'] } })
  }

  apply([change]: readonly Change[]): readonly string[] | null {
    assert.ok(change?.kind === 'update')
    assert.equal(change.ifVersion, this.#index, 'it changes what it has seen')
    this.#put(change.object.body as object)
    return gossipKeys(this.catalog)
  }

  #put(body: object): void {
    const index = ++this.#index
    const object = { kind: 'cluster', id: 'c', claims: [], body: body as never }
    const stored = { ...object, version: index, createdAtMs: 0, updatedAtMs: 0 }
    this.catalog.apply({ index, reset: false, upserts: [stored], removals: [] })
  }
}

test('all open with the new key before anybody seals with it, and the old one goes last', () => {
  const cluster = new OneCluster()
  assert.deepEqual(keyChangeDue(cluster.catalog, 0), [])
  assert.deepEqual(cluster.apply(beginKeyChange(cluster.catalog, 'new', 1000)), ['old', 'new'])
  assert.deepEqual(keyChangeDue(cluster.catalog, 10_000), [])
  assert.deepEqual(cluster.apply(keyChangeDue(cluster.catalog, 20_000)), ['new', 'old'])
  assert.deepEqual(keyChangeDue(cluster.catalog, 30_000), [])
  assert.deepEqual(cluster.apply(keyChangeDue(cluster.catalog, 40_000)), ['new'])
  assert.deepEqual(keyChangeDue(cluster.catalog, 90_000), [])
})

test('a second change takes the place of one under way, and a clock that went back holds nothing up', () => {
  const cluster = new OneCluster()
  cluster.apply(beginKeyChange(cluster.catalog, 'new', 100_000))
  cluster.apply(keyChangeDue(cluster.catalog, 120_000))
  assert.deepEqual(cluster.apply(beginKeyChange(cluster.catalog, 'newer', 121_000)), [
    'new',
    'newer',
  ])
  assert.deepEqual(cluster.apply(keyChangeDue(cluster.catalog, 5000)), ['newer', 'new'])
})

test('a key is worn after twelve hours, which any leader counts from the last change', () => {
  const hourMs = 3600_000
  const cluster = new OneCluster()
  assert.equal(isKeyWorn(cluster.catalog, 1e12), true, 'nobody knows how old it is')
  cluster.apply(beginKeyChange(cluster.catalog, 'new', 1e12))
  assert.equal(isKeyWorn(cluster.catalog, 1e12 + 13 * hourMs), false, 'a change is under way')
  cluster.apply(keyChangeDue(cluster.catalog, 1e12 + 20_000))
  cluster.apply(keyChangeDue(cluster.catalog, 1e12 + 40_000))
  assert.equal(isKeyWorn(cluster.catalog, 1e12 + 11 * hourMs), false)
  assert.equal(isKeyWorn(cluster.catalog, 1e12 + 12 * hourMs + 40_000), true)
})
