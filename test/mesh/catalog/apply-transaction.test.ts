import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { applyTransaction, type Applied } from '../../../mesh/catalog/apply-transaction.ts'
import { CatalogView } from '../../../mesh/catalog/catalog-view.ts'
import {
  Catalog,
  fromSnapshot,
  snapshotText,
  type CatalogSnapshot,
} from '../../../mesh/catalog/catalog.ts'
import { requestsRemembered } from '../../../mesh/catalog/request-history.ts'
import type { CatalogReader, Change, NewObject, Transaction } from '../../../mesh/catalog/types.ts'

const object = (id: string, claims: string[] = [], body = 1): NewObject => ({
  kind: 'service',
  id,
  claims,
  body,
})
const create = (...args: Parameters<typeof object>): Change => ({
  kind: 'create',
  object: object(...args),
})
const transaction = (request: string, ...changes: Change[]): Transaction => ({
  request,
  atMs: 1000,
  changes,
})

function applyAll(transactions: readonly Transaction[], from = Catalog.empty): Applied[] {
  const steps: Applied[] = []
  let catalog = from
  for (const each of transactions) {
    const step = applyTransaction(catalog, each, catalog.index + 1)
    steps.push(step)
    catalog = step.catalog
  }
  return steps
}

const toSnapshot = (catalog: Catalog): CatalogSnapshot =>
  JSON.parse([...snapshotText(catalog)].join('')) as CatalogSnapshot

const last = (steps: readonly Applied[]): Catalog => steps.at(-1)?.catalog ?? Catalog.empty

test('a created object carries the index as version and the leader’s time', () => {
  const { catalog, result } = applyTransaction(
    Catalog.empty,
    transaction('r', create('a', ['n/a'])),
    7,
  )
  assert.deepEqual(result, { kind: 'applied', index: 7 })
  const expected = { ...object('a', ['n/a']), version: 7, createdAtMs: 1000, updatedAtMs: 1000 }
  assert.deepEqual(catalog.get('service', 'a'), expected)
  assert.deepEqual(catalog.holder('n/a'), { kind: 'service', id: 'a' })
})

test('a transaction with one refused change changes nothing at all', () => {
  const before = last(applyAll([transaction('1', create('a', ['n/web']))]))
  const { catalog, result } = applyTransaction(
    before,
    transaction('2', create('b'), create('c', ['n/web'])),
    2,
  )
  assert.deepEqual(result, {
    kind: 'refused',
    index: 2,
    refusal: {
      code: 'catalog/claim-taken',
      claim: 'n/web',
      holder: { kind: 'service', id: 'a' },
    },
  })
  assert.deepEqual(catalog.all(), before.all())
  assert.equal(catalog.index, 2)
})

test('an update with an old version is refused and names both versions', () => {
  const before = last(applyAll([transaction('1', create('a'))]))
  const update: Change = { kind: 'update', object: object('a', [], 2), ifVersion: 9 }
  const { result } = applyTransaction(before, transaction('2', update), 2)
  assert.deepEqual(result.kind === 'refused' && result.refusal, {
    code: 'catalog/version-conflict',
    ref: { kind: 'service', id: 'a' },
    expected: 9,
    actual: 1,
  })
})

test('two objects may swap their names in one transaction', () => {
  const swap = transaction(
    '2',
    { kind: 'update', object: object('a', ['n/2']), ifVersion: 1 },
    { kind: 'update', object: object('b', ['n/1']), ifVersion: null },
  )
  const steps = applyAll([transaction('1', create('a', ['n/1']), create('b', ['n/2'])), swap])
  assert.equal(last(steps).holder('n/1')?.id, 'b')
  assert.equal(last(steps).holder('n/2')?.id, 'a')
})

test('a name is free again once its holder is deleted', () => {
  const removal: Change = { kind: 'delete', ref: { kind: 'service', id: 'a' }, ifVersion: 1 }
  const steps = applyAll([
    transaction('1', create('a', ['n'])),
    transaction('2', removal),
    transaction('3', create('b', ['n'])),
  ])
  assert.deepEqual(steps[1]?.delta.removals, [{ kind: 'service', id: 'a' }])
  assert.equal(last(steps).holder('n')?.id, 'b')
})

test('a retried request gets its first result, refused ones too', () => {
  const steps = applyAll([
    transaction('1', create('a')),
    transaction('1', create('a')),
    transaction('2', create('a')),
    transaction('2', create('a')),
  ])
  assert.deepEqual(steps[1]?.result, { kind: 'applied', index: 1 })
  assert.deepEqual(steps[1]?.delta, { index: 2, reset: false, upserts: [], removals: [] })
  assert.equal(steps[3]?.result.kind, 'refused')
  assert.equal(steps[3]?.result.index, 3)
})

test('a request is remembered for the promised number of entries, and not for twice as many', () => {
  const count = 3 * requestsRemembered
  const many = Array.from({ length: count }, (_, at) => transaction(`r${at}`))
  const steps = applyAll(many)
  const remembers = (after: number, request: number): boolean =>
    steps[after]?.catalog.parts.requests.resultOf(`r${request}`) !== undefined
  for (let request = 0; request < count; request += 997) {
    const kept = request + requestsRemembered
    if (kept < count) assert.ok(remembers(kept, request), `${request} after as many`)
    const gone = request + 2 * requestsRemembered
    if (gone < count) assert.ok(!remembers(gone, request), `${request} after twice as many`)
  }
})

const known = ({ parts }: Catalog): unknown[] =>
  [...parts.requests.entries()].map(({ request, result }) => [request, result.index])

test('histories that went on from the same one know nothing of each other', () => {
  const common = last(applyAll([transaction('1')]))
  const one = last(applyAll([transaction('2'), transaction('3')], common))
  const other = last(applyAll([transaction('4'), transaction('2')], common))
  assert.deepEqual(known(common), [['1', 1]])
  assert.equal(common.parts.requests.resultOf('2'), undefined)
  assert.deepEqual(known(one), [...known(common), ['2', 2], ['3', 3]])
  assert.deepEqual(known(other), [...known(common), ['4', 2], ['2', 3]])
})

test('a manager that starts from a snapshot forgets what the others forget', () => {
  const many = Array.from({ length: 15_000 }, (_, at) => transaction(`r${at}`))
  const { catalog } = applyAll(many).at(-1) ?? assert.fail()
  const restored = fromSnapshot(toSnapshot(catalog))
  assert.deepEqual([...restored.parts.requests.entries()], [...catalog.parts.requests.entries()])
  const later = Array.from({ length: 10_000 }, (_, at) => transaction(`s${at}`))
  const requestsOf = (start: Catalog): unknown => [
    ...last(applyAll(later, start)).parts.requests.entries(),
  ]
  assert.deepEqual(requestsOf(restored), requestsOf(catalog))
})

test('a deep copy of the past is not needed: older catalogs stay as they were', () => {
  const [first] = applyAll([transaction('1', create('a'))])
  assert.ok(first)
  const later = Array.from({ length: 500 }, (_, at) => transaction(`t${at}`, create(`x${at}`)))
  assert.equal(last(applyAll(later, first.catalog)).list('service').length, 501)
  assert.equal(first.catalog.list('service').length, 1)
})

const ids = fc.constantFrom('a', 'b', 'c', 'd')
const kinds = fc.constantFrom('service', 'node')
const claims = fc.uniqueArray(fc.constantFrom('n/1', 'n/2', 'n/3'), { maxLength: 2 })
const ifVersion = fc.option(fc.integer({ min: 1, max: 6 }), { nil: null })
const anyObject = fc.record({ kind: kinds, id: ids, claims, body: fc.integer() })
const anyChange: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ kind: fc.constant('create' as const), object: anyObject }),
  fc.record({ kind: fc.constant('update' as const), object: anyObject, ifVersion }),
  fc.record({
    kind: fc.constant('delete' as const),
    ref: fc.record({ kind: kinds, id: ids }),
    ifVersion,
  }),
)
const anyTransaction: fc.Arbitrary<Transaction> = fc.record({
  request: fc.integer({ min: 0, max: 30 }).map(String),
  atMs: fc.integer({ min: 0, max: 100 }),
  changes: fc.array(anyChange, { maxLength: 4 }),
})
const history = fc.array(anyTransaction, { maxLength: 25 })

test('law: a claim is held by exactly the one object that lists it', () => {
  fc.assert(
    fc.property(history, (transactions) => {
      const catalog = last(applyAll(transactions))
      const held = catalog.all().flatMap((each) => each.claims.map((claim) => ({ claim, each })))
      assert.equal(new Set(held.map(({ claim }) => claim)).size, held.length)
      assert.equal(catalog.parts.claims.size, held.length)
      for (const { claim, each } of held) {
        assert.deepEqual(catalog.holder(claim), { kind: each.kind, id: each.id })
      }
    }),
  )
})

test('law: a refused transaction leaves every object as it was', () => {
  fc.assert(
    fc.property(history, anyTransaction, (transactions, next) => {
      const before = last(applyAll(transactions))
      const step = applyTransaction(before, next, before.index + 1)
      if (step.result.kind === 'refused') assert.deepEqual(step.catalog.all(), before.all())
    }),
  )
})

test('law: the same log gives the same catalog, also through a snapshot in its middle', () => {
  fc.assert(
    fc.property(history, history, (early, late) => {
      const whole = toSnapshot(last(applyAll([...early, ...late])))
      const saved = JSON.stringify(toSnapshot(last(applyAll(early))))
      const resumed = last([
        { catalog: fromSnapshot(JSON.parse(saved)) } as Applied,
        ...applyAll(late, fromSnapshot(JSON.parse(saved))),
      ])
      assert.deepEqual(toSnapshot(resumed), whole)
    }),
  )
})

test('law: a view that follows the deltas reads as the catalog does', () => {
  fc.assert(
    fc.property(history, (transactions) => {
      const view = new CatalogView()
      const steps = applyAll(transactions)
      for (const step of steps) view.apply(step.delta)
      assert.deepEqual(read(view), read(last(steps)))
    }),
  )
})

function read(reader: CatalogReader): unknown {
  const claimed = ['n/1', 'n/2', 'n/3'].map((claim) => reader.holder(claim))
  return { index: reader.index, s: reader.list('service'), n: reader.list('node'), claimed }
}
