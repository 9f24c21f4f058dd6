import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { IngressDrains } from '../../../src/meshd/ingress-drains.ts'
import { FakeClock } from '../../support/fake-clock.ts'

let clock: FakeClock
let drains: IngressDrains
let ended: string[]

beforeEach(() => {
  clock = new FakeClock()
  drains = new IngressDrains(clock)
  ended = []
})

function begin(task: string, deadlineMs: number): void {
  void drains.begin({ task, serviceId: `of ${task}` }, deadlineMs).then(() => ended.push(task))
}

const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

async function hasEnded(...tasks: string[]): Promise<void> {
  await settle()
  assert.deepEqual(ended, tasks)
}

test('a drain ends with the last connection of its own task', async () => {
  begin('a', 10_000)
  begin('b', 10_000)
  drains.openConnections('a', 2)
  await hasEnded()
  drains.openConnections('b', 0)
  await hasEnded('b')
  drains.openConnections('a', 0)
  await hasEnded('b', 'a')
  assert.deepEqual(drains.tasks, [])
})

test('open connections are waited for until the deadline, not longer', async () => {
  begin('a', 10_000)
  drains.openConnections('a', 2)
  clock.advance(9999)
  await hasEnded()
  clock.advance(1)
  await hasEnded('a')
})

test('even without any time to drain, a task stops only once every node has dropped it', async () => {
  begin('a', 0)
  clock.advance(1000)
  await hasEnded()
  drains.openConnections('a', 2)
  await hasEnded('a')
})

test('without an ingress nothing is left to wait for', async () => {
  begin('a', 10_000)
  begin('b', 10_000)
  drains.endAll()
  await hasEnded('a', 'b')
})

test('drains are counted by service, and those that were cut short', () => {
  begin('a', 10_000)
  begin('b', 10_000)
  begin('c', 0)
  assert.equal(drains.counts.underWay, 3)
  drains.openConnections('a', 2)
  drains.openConnections('b', 0)
  clock.advance(10_000)
  drains.openConnections('c', 0)
  assert.equal(drains.counts.underWay, 0)
  assert.deepEqual(
    [...drains.counts.byService],
    [
      ['of a', { begun: 1, overdue: 1 }],
      ['of b', { begun: 1, overdue: 0 }],
      ['of c', { begun: 1, overdue: 0 }],
    ],
  )
})

test('services beyond a bound are counted as one', () => {
  for (let at = 0; at < 300; at++) begin(`task-${at}`, 0)
  assert.equal(drains.counts.byService.size, 257)
  assert.equal(drains.counts.byService.get('others')?.begun, 44)
})
