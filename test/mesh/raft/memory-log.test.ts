import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvariantError } from '../../../mesh/base/assert.ts'
import { entrySize } from '../../../mesh/raft/entry-size.ts'
import { MemoryLog } from '../../../mesh/raft/memory-log.ts'
import { noBytes } from '../../../mesh/raft/message.ts'
import type { ConfState, Entry } from '../../../mesh/raft/types.ts'

const confState: ConfState = {
  voters: [1],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
}

const entry = (index: number, term: number): Entry => ({
  index,
  term,
  kind: 'normal',
  data: noBytes,
})

/** Entries 4, 5 and 6 behind a snapshot at 3, all of the term of their index. */
function filledLog(): MemoryLog {
  const log = new MemoryLog()
  log.applySnapshot({ meta: { index: 3, term: 3, confState }, data: noBytes })
  log.append([entry(4, 4), entry(5, 5), entry(6, 6)])
  return log
}

const indexes = (entries: readonly Entry[] | string): number[] | string =>
  typeof entries === 'string' ? entries : entries.map(({ index }) => index)

test('an empty log begins at 1 and has no snapshot', () => {
  const log = new MemoryLog()
  assert.deepEqual([log.firstIndex(), log.lastIndex(), log.term(0)], [1, 0, 0])
  assert.equal(log.snapshot(), null)
  assert.deepEqual(log.initialState().confState.voters, [])
})

test('terms and entries outside of the log are told apart', () => {
  const log = filledLog()
  assert.deepEqual(
    [2, 3, 4, 6, 7].map((index) => log.term(index)),
    ['compacted', 3, 4, 6, 'unavailable'],
  )
  assert.equal(log.entries(3, 5, Infinity), 'compacted')
  assert.equal(log.entries(4, 8, Infinity), 'unavailable')
  assert.deepEqual(indexes(log.entries(4, 7, Infinity)), [4, 5, 6])
})

test('entries are limited by size, but one comes always', () => {
  const log = filledLog()
  const size = entrySize(entry(4, 4))
  assert.deepEqual(indexes(log.entries(4, 7, 0)), [4])
  assert.deepEqual(indexes(log.entries(4, 7, size * 2)), [4, 5])
  assert.deepEqual(indexes(log.entries(4, 7, size * 3 - 1)), [4, 5])
})

test('an append replaces everything from its first entry on', () => {
  const log = filledLog()
  log.append([entry(5, 7)])
  assert.equal(log.lastIndex(), 5)
  assert.equal(log.term(5), 7)
})

test('what a snapshot already covers is not appended again', () => {
  const log = filledLog()
  log.append([entry(2, 2), entry(3, 3), entry(4, 9)])
  assert.deepEqual([log.firstIndex(), log.lastIndex(), log.term(4)], [4, 4, 9])
  log.append([entry(1, 1)])
  assert.equal(log.lastIndex(), 4)
})

test('a gap is a bug', () => {
  assert.throws(() => filledLog().append([entry(8, 8)]), InvariantError)
})

test('a snapshot keeps the log until it is compacted', () => {
  const log = filledLog()
  const snapshot = log.createSnapshot(5, confState, noBytes)
  assert.ok(snapshot !== 'out-of-date')
  assert.deepEqual(snapshot.meta, { index: 5, term: 5, confState })
  assert.equal(log.firstIndex(), 4)
  assert.equal(log.createSnapshot(5, confState, noBytes), 'out-of-date')
  assert.equal(log.compact(4), 'ok')
  assert.equal(log.compact(4), 'compacted')
  assert.deepEqual([log.firstIndex(), log.lastIndex(), log.term(4)], [5, 6, 4])
})

test('a snapshot from elsewhere replaces the log, an old one does nothing', () => {
  const log = filledLog()
  const meta = { index: 9, term: 8, confState }
  assert.equal(log.applySnapshot({ meta, data: noBytes }), 'ok')
  assert.deepEqual([log.firstIndex(), log.lastIndex(), log.term(9)], [10, 9, 8])
  assert.equal(log.applySnapshot({ meta, data: noBytes }), 'out-of-date')
})
