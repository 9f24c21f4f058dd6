import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvariantError } from '../../../mesh/base/assert.ts'
import { MemoryLog } from '../../../mesh/raft/memory-log.ts'
import { noBytes } from '../../../mesh/raft/message.ts'
import { RaftLog } from '../../../mesh/raft/raft-log.ts'
import type { Entry } from '../../../mesh/raft/types.ts'

const entries = (first: number, ...terms: number[]): Entry[] =>
  terms.map((term, at) => ({ index: first + at, term, kind: 'normal', data: noBytes }))

/** Terms 1 1 2 on disk, 2 3 still to be written. */
function someLog(): RaftLog {
  const storage = new MemoryLog()
  storage.append(entries(1, 1, 1, 2))
  const log = new RaftLog(storage, Infinity)
  log.append(entries(4, 2, 3))
  return log
}

test('stable and unstable entries are one log', () => {
  const log = someLog()
  const all = log.entriesFrom(1, Infinity)
  assert.ok(all !== 'compacted')
  assert.deepEqual(
    all.map(({ term }) => term),
    [1, 1, 2, 2, 3],
  )
  assert.deepEqual(log.last, { index: 5, term: 3 })
  assert.deepEqual(
    [0, 3, 4, 6].map((index) => log.term(index)),
    [0, 2, 2, 'unavailable'],
  )
})

test('an append that does not continue our log is refused', () => {
  assert.equal(someLog().maybeAppend({ index: 5, term: 4 }, [], 0), null)
  assert.equal(someLog().maybeAppend({ index: 9, term: 3 }, [], 0), null)
})

test('only what differs is replaced, and the commit index stays within what was sent', () => {
  const log = someLog()
  assert.equal(log.maybeAppend({ index: 1, term: 1 }, entries(2, 1, 2), 9), 3)
  assert.equal(log.lastIndex, 5)
  assert.equal(log.committed, 3)
  assert.equal(log.maybeAppend({ index: 3, term: 2 }, entries(4, 4), 3), 4)
  assert.deepEqual(log.last, { index: 4, term: 4 })
})

test('a committed entry is never replaced', () => {
  const log = someLog()
  log.commitTo(4)
  assert.throws(() => log.maybeAppend({ index: 2, term: 1 }, entries(3, 9), 4), InvariantError)
  assert.throws(() => log.commitTo(6), InvariantError)
})

test('entries that were replaced while they were written are not taken for stable', () => {
  const log = someLog()
  log.unstable.acceptInProgress()
  log.append(entries(5, 4))
  assert.deepEqual(log.unstable.nextEntries, entries(5, 4))
  log.unstable.stableTo(5, 3)
  assert.equal(log.unstable.offset, 4)
  log.unstable.stableTo(4, 2)
  assert.equal(log.unstable.offset, 5)
})

test('a probe skips all entries whose term is above what the other side may hold', () => {
  const log = someLog()
  assert.deepEqual(log.findConflictByTerm(5, 2), { index: 4, term: 2 })
  assert.deepEqual(log.findConflictByTerm(4, 1), { index: 2, term: 1 })
  assert.deepEqual(log.findConflictByTerm(2, 0), { index: 0, term: 0 })
})

test('a candidate needs a later last term, or as much of the same', () => {
  const log = someLog()
  assert.ok(log.isUpToDate({ term: 4, index: 1 }))
  assert.ok(log.isUpToDate({ term: 3, index: 5 }))
  assert.ok(!log.isUpToDate({ term: 3, index: 4 }))
  assert.ok(!log.isUpToDate({ term: 2, index: 9 }))
})

test('what is counted commits only when it is of the term that counts', () => {
  const log = someLog()
  assert.equal(log.maybeCommit({ index: 4, term: 3 }), false)
  assert.equal(log.maybeCommit({ index: 5, term: 3 }), true)
  assert.equal(log.maybeCommit({ index: 5, term: 3 }), false)
  assert.equal(log.committed, 5)
})
