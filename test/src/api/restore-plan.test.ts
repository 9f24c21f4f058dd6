import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyTransaction } from '../../../mesh/catalog/apply-transaction.ts'
import { Catalog } from '../../../mesh/catalog/catalog.ts'
import type { Change, NewObject } from '../../../mesh/catalog/types.ts'
import { planRestore } from '../../../src/api/restore-plan.ts'
import { decodeSnapshot, encodeSnapshot, takeSnapshot } from '../../../src/api/snapshot-file.ts'

const clusterId = 'c1'

const service = (id: string, name: string, size = 0): NewObject => ({
  kind: 'service',
  id,
  claims: [`name/service/${name}`],
  body: {
    Spec: { Name: name, Labels: { padding: 'x'.repeat(size) } },
    Endpoint: {},
    SpecVersion: { Index: 1 },
  },
})

function write(catalog: Catalog, changes: readonly Change[]): Catalog {
  const index = catalog.index + 1
  const applied = applyTransaction(catalog, { request: `r${index}`, atMs: 1, changes }, index)
  assert.equal(applied.result.kind, 'applied', JSON.stringify(applied.result))
  return applied.catalog
}

const holding = (...objects: NewObject[]): Catalog =>
  write(
    Catalog.empty,
    objects.map((object) => ({ kind: 'create', object })),
  )

const snapshotOf = (catalog: Catalog) =>
  decodeSnapshot(encodeSnapshot(takeSnapshot(catalog, { clusterId, takenAtMs: 1 })))

const namesIn = (catalog: Catalog): string[] =>
  catalog.list('service').map(({ id, claims }) => `${id} ${claims[0]}`)

test('names that were swapped since go back, whatever order objects come in', () => {
  const before = holding(service('a', 'one'), service('b', 'two'))
  const swapped: Change[] = [service('a', 'two'), service('b', 'one')].map((object) => ({
    kind: 'update',
    object,
    ifVersion: null,
  }))
  const now = write(before, swapped)
  const { batches, updated } = planRestore(now, snapshotOf(before), clusterId)
  assert.equal(updated, 2)
  assert.deepEqual(namesIn(batches.reduce(write, now)), namesIn(before))
})

test('what is as it was is not touched', () => {
  const catalog = holding(service('a', 'one'))
  assert.deepEqual(planRestore(catalog, snapshotOf(catalog), clusterId).batches, [])
})

test('each transaction is small, however much is to be restored', () => {
  const many = Array.from({ length: 600 }, (_, at) => service(`s${at}`, `n${at}`, 5000))
  const { batches, created } = planRestore(Catalog.empty, snapshotOf(holding(...many)), clusterId)
  assert.equal(created, 600)
  for (const batch of batches) {
    assert.ok(batch.length <= 256)
    assert.ok(JSON.stringify(batch).length <= 600 * 1024)
  }
  assert.equal(batches.reduce(write, Catalog.empty).list('service').length, 600)
})

test('a file is refused unless every bit of it is right', () => {
  const file = encodeSnapshot(
    takeSnapshot(holding(service('a', 'one')), { clusterId, takenAtMs: 1 }),
  )
  for (let at = 0; at < file.length; at++) {
    const damaged = Buffer.from(file)
    damaged[at] = (damaged[at] ?? 0) ^ 1
    assert.throws(() => decodeSnapshot(damaged), { name: 'ApiError' })
    assert.throws(() => decodeSnapshot(file.subarray(0, at)), { name: 'ApiError' })
  }
})
