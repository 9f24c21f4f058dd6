import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeId } from '../../../mesh/base/ids.ts'
import { SeededRandom } from '../../../mesh/base/random.ts'
import { pickBackend, type PickRequest } from '../../../src/routing/pick-backend.ts'
import type { Endpoint } from '../../../src/routing/route-table.ts'

const here = nodeId('here')
const there = nodeId('there')

function endpoint(task: string, patch: Partial<Endpoint> = {}): Endpoint {
  return { task, node: there, generation: 1, targetPort: 80, preferred: true, ...patch }
}

function request(endpoints: readonly Endpoint[], patch: Partial<PickRequest> = {}): PickRequest {
  return {
    endpoints,
    self: here,
    prefer: 'any',
    excluded: new Set(),
    balance: 'draws',
    cost: () => 0,
    source: '192.0.2.1',
    turn: 0,
    random: new SeededRandom(1),
    ...patch,
  }
}

/** How often each task is picked in many tries. */
function counts(given: PickRequest, tries = 300): Map<string, number> {
  const picked = new Map<string, number>()
  for (let at = 0; at < tries; at++) {
    const task = pickBackend(given)?.task ?? 'none'
    picked.set(task, (picked.get(task) ?? 0) + 1)
  }
  return picked
}

test('without load every task gets its share', () => {
  const picked = counts(request(['a', 'b', 'c'].map((task) => endpoint(task))), 3000)
  for (const task of ['a', 'b', 'c']) {
    const share = picked.get(task) ?? 0
    assert.ok(share > 800 && share < 1200, `${task} got ${share}`)
  }
})

test('of two the one with fewer connections wins, so the fullest of all is never picked', () => {
  const load: Readonly<Record<string, number>> = { a: 5, b: 3, c: 9 }
  const connections = (task: string): number => load[task] ?? 0
  const picked = counts(
    request(
      ['a', 'b', 'c'].map((task) => endpoint(task)),
      { cost: connections },
    ),
  )
  assert.equal(picked.get('c'), undefined)
  assert.ok((picked.get('b') ?? 0) > (picked.get('a') ?? 0))
  assert.ok((picked.get('a') ?? 0) > 0)
})

test('connections that stay open end up evenly spread', () => {
  const open = new Map<string, number>()
  const given = request(
    Array.from({ length: 8 }, (_, at) => endpoint(`t${at}`)),
    { cost: (task) => open.get(task) ?? 0 },
  )
  for (let at = 0; at < 800; at++) {
    const task = pickBackend(given)?.task ?? ''
    open.set(task, (open.get(task) ?? 0) + 1)
  }
  for (const count of open.values()) assert.ok(Math.abs(count - 100) <= 5, `${count} of 100`)
})

test('endpoints in doubt are used only when there is nothing else', () => {
  const doubtful = endpoint('doubtful', { preferred: false })
  assert.deepEqual([...counts(request([doubtful, endpoint('good')])).keys()], ['good'])
  assert.equal(pickBackend(request([doubtful]))?.task, 'doubtful')
})

test('local ones come first where that is asked for, as long as they are good', () => {
  const local = endpoint('local', { node: here })
  const given = request([local, endpoint('remote')], { prefer: 'local' })
  assert.deepEqual([...counts(given).keys()], ['local'])
  assert.equal(counts({ ...given, prefer: 'any' }).size, 2)
  assert.equal(pickBackend({ ...given, excluded: new Set(['local']) })?.task, 'remote')
  const doubtful = { ...local, preferred: false }
  assert.equal(pickBackend({ ...given, endpoints: [doubtful, endpoint('remote')] })?.task, 'remote')
})

test('a task that was tried is not picked again, and none when all were', () => {
  const endpoints = [endpoint('a'), endpoint('b')]
  const tried = new Set(['a'])
  assert.deepEqual([...counts(request(endpoints, { excluded: tried })).keys()], ['b'])
  assert.equal(pickBackend(request(endpoints, { excluded: new Set(['a', 'b']) })), null)
  assert.equal(pickBackend(request([])), null)
})

test('least: the task with the lowest cost of all, and equals share', () => {
  const costs: Readonly<Record<string, number>> = { a: 2, b: 1, c: 1, d: 5 }
  const endpoints = ['a', 'b', 'c', 'd'].map((task) => endpoint(task))
  const picked = counts(request(endpoints, { balance: 'least', cost: (task) => costs[task] ?? 0 }))
  assert.deepEqual([...picked.keys()].sort(), ['b', 'c'])
})

test('round-robin: one after the other', () => {
  const endpoints = ['a', 'b', 'c'].map((task) => endpoint(task))
  const picked = Array.from(
    { length: 6 },
    (_, turn) => pickBackend(request(endpoints, { balance: 'round-robin', turn }))?.task,
  )
  assert.deepEqual(picked, ['a', 'b', 'c', 'a', 'b', 'c'])
})

const taskOf = (source: string, given: readonly Endpoint[]): string | undefined =>
  pickBackend(request(given, { balance: 'source-hash', source }))?.task

test('source-hash: a client keeps its task, and only those of a lost task move', () => {
  const names = ['a', 'b', 'c', 'd']
  const endpoints = names.map((task) => endpoint(task))
  const sources = Array.from({ length: 400 }, (_, at) => `10.0.${at >> 8}.${at & 255}`)
  const before = sources.map((source) => taskOf(source, endpoints))
  assert.deepEqual(
    before,
    sources.map((source) => taskOf(source, endpoints.toReversed())),
  )
  for (const name of names) {
    const share = before.filter((task) => task === name).length
    assert.ok(share > 60 && share < 140, `${name}: ${share}`)
  }
  const without = endpoints.filter(({ task }) => task !== 'b')
  sources.forEach((source, at) => {
    if (before[at] !== 'b') assert.equal(taskOf(source, without), before[at])
  })
})
