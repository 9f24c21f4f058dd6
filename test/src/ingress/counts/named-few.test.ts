import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NamedFew } from '../../../../src/ingress/counts/named-few.ts'

interface Count {
  readonly id: string
  readonly requests: number
  readonly open: number
  readonly latencies: readonly number[]
}

const count = (id: string, requests: number, open = 0): Count => ({
  id,
  requests,
  open,
  latencies: [requests, 0],
})

test('while there is room, everybody is told by name', () => {
  const few = new NamedFew<Count>(2)
  assert.deepEqual(few.tell([count('a', 1), count('b', 2)]), [count('a', 1), count('b', 2)])
})

test('who finds no place is added up; what only grows never shrinks when some of them go', () => {
  const few = new NamedFew<Count>(1)
  few.tell([count('a', 1), count('b', 2, 1), count('c', 3, 4)])
  const [, rest] = few.tell([count('a', 1), count('b', 5, 2), count('c', 3, 4)])
  assert.deepEqual(rest, count('others', 8, 6))
  assert.deepEqual(few.tell([count('a', 1), count('c', 4, 1)])[1], count('others', 9, 1))
  assert.deepEqual(few.tell([count('a', 1)])[1], count('others', 9, 0))
})

test('a name stays while its owner does, and makes room when it goes', () => {
  const few = new NamedFew<Count>(1)
  few.tell([count('a', 1)])
  assert.deepEqual(few.tell([count('b', 7), count('a', 2)])[0], count('a', 2))
  assert.deepEqual(few.tell([count('b', 8)]), [count('b', 8), count('others', 7)])
})

test('however many come and go, no more are told than there are places for', () => {
  const few = new NamedFew<Count>(10)
  for (let round = 0; round < 50; round++) {
    const counts = Array.from({ length: 30 }, (_, at) => count(`${round}-${at}`, 1))
    assert.equal(few.tell(counts).length, 11)
  }
})
