import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Json } from '../../../mesh/base/json.ts'
import { nodeId, type NodeId } from '../../../mesh/base/ids.ts'
import { discoveryDefaults, type DiscoveryOptions } from '../../../mesh/discovery/options.ts'
import { RecordSet } from '../../../mesh/discovery/record-set.ts'
import type { Section } from '../../../mesh/discovery/section.ts'

const idOf = (name: string): NodeId => nodeId(name.padEnd(25, '0'))
const [a, b, c] = [idOf('a'), idOf('b'), idOf('c')]
const plenty = 1_000_000

function setOf(self: NodeId, epoch = 1000, options: Partial<DiscoveryOptions> = {}): RecordSet {
  return new RecordSet({
    self,
    epoch,
    options: { ...discoveryDefaults, ...options },
    isMember: () => true,
  })
}

/** What a set holds of a node, as an object. */
function said(set: RecordSet, node: NodeId): Record<string, Json> {
  const records = set.records().filter((record) => record.node === node)
  return Object.fromEntries(records.map(({ key, value }) => [key, value]))
}

/** `to` asks `from` and gets all that it misses. */
function pull(to: RecordSet, from: RecordSet, nowMs = 0): number {
  const { sections } = from.missingFor(to.digest(), { maxBytes: plenty })
  for (const section of sections) to.merge(section, nowMs)
  return sections.length
}

test('what a node says reaches others with its version, and saying it again is no news', () => {
  const [one, two] = [setOf(a), setOf(b)]
  assert.equal(one.publish('x', { port: 1 }, 0).kind, 'published')
  assert.equal(one.publish('x', { port: 1 }, 0).kind, 'unchanged')
  one.publish('x', { port: 2 }, 0)
  for (const section of one.ownNews(0, plenty)) two.merge(section, 0)
  assert.deepEqual(two.records(), [
    { node: a, epoch: 1000, version: 2, key: 'x', value: { port: 2 } },
  ])
  assert.equal(pull(two, one), 0)
})

test('a lost piece shows as a gap, which any other node can fill', () => {
  const [one, two, three] = [setOf(a), setOf(b), setOf(c)]
  for (const key of ['x', 'y', 'z']) one.publish(key, key, 0)
  const pieces = one.ownNews(0, 1)
  assert.equal(pieces.length, 3)
  for (const piece of pieces) three.merge(piece, 0)
  for (const piece of [pieces[2], pieces[0]]) if (piece !== undefined) two.merge(piece, 0)
  assert.deepEqual(two.gaps(), [a])
  assert.deepEqual(said(two, a), { x: 'x', z: 'z' })
  pull(two, three)
  assert.deepEqual([two.gaps(), said(two, a)], [[], { x: 'x', y: 'y', z: 'z' }])
})

test('pieces that arrive in another order, or twice, lead to the same set', () => {
  const one = setOf(a)
  const pieces: Section[] = []
  for (let at = 0; at < 20; at++) {
    one.publish(`k${at % 7}`, at < 18 ? at : null, 0)
    pieces.push(...one.ownNews(at, plenty))
  }
  fc.assert(
    fc.property(fc.shuffledSubarray([...pieces, ...pieces], { minLength: 12 }), (order) => {
      const two = setOf(b)
      for (const piece of [...order, ...pieces.toReversed()]) two.merge(piece, 0)
      assert.deepEqual(said(two, a), said(one, a))
      assert.deepEqual([two.gaps(), pull(two, one)], [[], 0])
    }),
    { numRuns: 50 },
  )
})

test('a piece of news withdraws nothing that a later piece replaces', () => {
  const [one, two] = [setOf(a), setOf(b)]
  one.publish('x', 1, 0)
  pull(two, one)
  one.publish('y', 1, 0)
  one.publish('x', 2, 0)
  const [first] = one.ownNews(0, 1)
  assert.ok(first !== undefined && first.through === 2)
  two.merge(first, 0)
  assert.deepEqual(said(two, a), { x: 1, y: 1 })
})

test('a withdrawal is told, and removes the record even where nobody remembers it any more', () => {
  const [one, two, away] = [setOf(a), setOf(b), setOf(c)]
  for (const key of ['x', 'y']) one.publish(key, 1, 0)
  for (const other of [two, away]) pull(other, one)
  one.publish('x', null, 0)
  const [section] = one.ownNews(2, plenty)
  assert.ok(section !== undefined)
  assert.deepEqual(two.merge(section, 0), {
    kind: 'merged',
    changed: [{ node: a, epoch: 1000, version: 3, key: 'x', value: null }],
  })
  for (const set of [one, two]) set.tick(discoveryDefaults.tombstoneMs)
  pull(away, two, 70_000)
  assert.deepEqual(said(away, a), { y: 1 })
})

test('what a node said before its restart goes after a grace, what it says again stays', () => {
  const [before, two] = [setOf(a, 1000), setOf(b)]
  for (const key of ['kept', 'gone']) before.publish(key, 'old', 0)
  pull(two, before)
  const after = setOf(a, 2000)
  after.publish('kept', 'new', 0)
  pull(two, after, 5000)
  assert.deepEqual(said(two, a), { kept: 'new', gone: 'old' })
  assert.deepEqual(two.tick(5000 + discoveryDefaults.restartGraceMs - 1), [])
  const withdrawn = two.tick(5000 + discoveryDefaults.restartGraceMs)
  assert.deepEqual(withdrawn, [{ node: a, epoch: 1000, version: 2, key: 'gone', value: null }])
  assert.deepEqual(said(two, a), { kept: 'new' })
})

test('a restarted node that says nothing loses what it said before', () => {
  const [before, two] = [setOf(a, 1000), setOf(b)]
  before.publish('x', 1, 0)
  pull(two, before)
  assert.equal(pull(two, setOf(a, 2000), 0), 1)
  two.tick(discoveryDefaults.restartGraceMs)
  assert.deepEqual(two.records(), [])
  pull(two, before)
  assert.deepEqual(two.records(), [], 'an older epoch says nothing any more')
})

test('a node whose clock went back outlives what it said in the future', () => {
  const [before, two] = [setOf(a, 9000), setOf(b)]
  before.publish('x', 'old', 0)
  pull(two, before)
  const after = setOf(a, 1000)
  after.publish('x', 'new', 0)
  for (const section of two.missingFor(after.digest(), { maxBytes: plenty }).sections)
    after.merge(section, 0)
  assert.equal(after.epoch, 9001)
  pull(two, after)
  assert.deepEqual(said(two, a), { x: 'new' })
})

test('records of nodes that are no members are refused, and dropped once they are not', () => {
  const members = new Set([a, b])
  const isMember = (node: NodeId): boolean => members.has(node)
  const two = new RecordSet({ self: b, epoch: 1, options: discoveryDefaults, isMember })
  const [one, stranger] = [setOf(a), setOf(c)]
  one.publish('x', 1, 0)
  stranger.publish('x', 1, 0)
  pull(two, one)
  for (const section of stranger.ownNews(0, plenty)) {
    assert.deepEqual(two.merge(section, 0), { kind: 'not-a-member' })
  }
  assert.deepEqual(
    two.records().map(({ node }) => node),
    [a],
  )
  members.delete(a)
  assert.deepEqual(two.tick(0), [{ node: a, epoch: 1000, version: 1, key: 'x', value: null }])
  assert.deepEqual(two.records(), [])
})

test('what is too long or too much is refused to the publisher, by name', () => {
  const set = setOf(a, 1, { maxRecordsPerNode: 2, maxKeyBytes: 4, maxValueBytes: 20 })
  const because = (key: string, value: Json): string => {
    const result = set.publish(key, value, 0)
    return result.kind === 'refused' ? result.because : result.kind
  }
  assert.equal(because('äää', 1), 'key-too-long')
  assert.equal(because('x', 'y'.repeat(19)), 'value-too-long')
  assert.deepEqual(
    [because('x', 1), because('y', 1), because('z', 1)],
    ['published', 'published', 'full'],
  )
  assert.equal(because('x', null), 'published')
})

test('a writer that keeps no limit cannot fill our memory', () => {
  const set = setOf(b, 1, { maxRecordsPerNode: 10 })
  const records = Array.from({ length: 1000 }, (_, at) => ({
    version: at + 1,
    key: `k${at}`,
    value: at,
  }))
  set.merge({ node: a, epoch: 1, since: 0, through: 1000, isWhole: true, records }, 0)
  assert.ok(set.records().length <= 20)
})

test('an answer holds whole sections, as many as fit and at least one', () => {
  const hub = setOf(idOf('h'))
  for (let at = 0; at < 10; at++) {
    const writer = setOf(idOf(`w${at}`))
    for (let key = 0; key < 20; key++) writer.publish(`k${key}`, 'x'.repeat(100), 0)
    pull(hub, writer)
  }
  const reader = setOf(a)
  let rounds = 0
  for (let isWhole = false; !isWhole; rounds++) {
    assert.ok(rounds < 20)
    const missing = hub.missingFor(reader.digest(), { maxBytes: 7000 })
    isWhole = missing.isWhole
    for (const section of missing.sections) reader.merge(section, 0)
  }
  assert.ok(rounds > 2)
  assert.equal(reader.records().length, 200)
})

test('whatever is said, lost and compared, in the end all hold what the writers say', () => {
  const names = ['a', 'b', 'c']
  const act = fc.record({
    kind: fc.constantFrom('publish', 'publish', 'withdraw', 'broadcast', 'pull', 'restart', 'wait'),
    who: fc.nat(2),
    other: fc.nat(2),
    key: fc.constantFrom('x', 'y', 'z'),
  })
  fc.assert(
    fc.property(fc.array(act, { maxLength: 80 }), (acts) => {
      let nowMs = 0
      const told = names.map(() => 0)
      const sets = names.map((name) => setOf(idOf(name), 1))
      for (const { kind, who, other, key } of acts) {
        const set = sets[who] as RecordSet
        nowMs += 100
        if (kind === 'publish') set.publish(key, nowMs, nowMs)
        if (kind === 'withdraw') set.publish(key, null, nowMs)
        if (kind === 'pull') pull(set, sets[other] as RecordSet, nowMs)
        if (kind === 'wait') nowMs += 40_000
        if (kind === 'wait') for (const one of sets) one.tick(nowMs)
        if (kind === 'restart') {
          sets[who] = setOf(idOf(names[who] ?? ''), nowMs)
          told[who] = 0
        }
        if (kind === 'broadcast') {
          const news = set.ownNews(told[who] ?? 0, 40)
          told[who] = news.at(-1)?.through ?? 0
          // Every other receiver loses it.
          if (other !== who) for (const one of news) sets[other]?.merge(one, nowMs)
        }
      }
      for (let round = 0; round < 3; round++) {
        for (const to of sets) for (const from of sets) if (to !== from) pull(to, from, nowMs)
      }
      for (const set of sets) set.tick(nowMs + discoveryDefaults.restartGraceMs)
      for (const [at, writer] of sets.entries()) {
        const node = idOf(names[at] ?? '')
        for (const set of sets) assert.deepEqual(said(set, node), said(writer, node))
      }
    }),
    { numRuns: 300 },
  )
})
