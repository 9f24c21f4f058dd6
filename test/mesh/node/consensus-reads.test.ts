import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFault } from '../../../mesh/base/mesh-error.ts'
import { Reads } from '../../../mesh/node/reads.ts'
import { FakeClock } from '../../support/fake-clock.ts'

function setUp(boot = 1) {
  const clock = new FakeClock()
  const asked: Uint8Array[] = []
  const world = { applied: 0 }
  const reads = new Reads({
    clock,
    raftId: 7,
    boot,
    ask: (context) => asked.push(context),
    appliedIndex: () => world.applied,
    standstill: () => null,
    unreachable: () => ['bob'],
  })
  return { clock, asked, world, reads }
}

async function isPending(promise: Promise<void>): Promise<boolean> {
  return Promise.race([
    promise.then(() => false),
    new Promise<boolean>((r) => setImmediate(r, true)),
  ])
}

test('a barrier passes when the index that the leader named is applied, not before', async () => {
  const { asked, world, reads } = setUp()
  const barrier = reads.barrier()
  reads.askIfNeeded()
  const [context] = asked
  assert.ok(context)
  world.applied = 4
  reads.answered([{ index: 5, context }])
  reads.release()
  assert.ok(await isPending(barrier))
  world.applied = 5
  reads.release()
  await barrier
})

test('barriers of one moment share a question, later ones need their own', async () => {
  const { asked, world, reads } = setUp()
  const early = [reads.barrier(), reads.barrier()]
  reads.askIfNeeded()
  reads.askIfNeeded()
  const late = reads.barrier()
  assert.equal(asked.length, 1)
  const [context] = asked
  assert.ok(context)
  world.applied = 9
  reads.answered([{ index: 9, context }])
  reads.release()
  await Promise.all(early)
  assert.ok(await isPending(late), 'an answer from before the call says nothing about it')
})

test('a lost question is asked again under another context', async () => {
  const { clock, asked, world, reads } = setUp()
  const barrier = reads.barrier()
  reads.askIfNeeded()
  clock.advance(250)
  reads.tick()
  assert.equal(asked.length, 2)
  const [first, second] = asked
  assert.ok(first && second)
  assert.notDeepEqual(first, second)
  world.applied = 3
  reads.answered([{ index: 3, context: second }])
  reads.release()
  await barrier
})

test('an answer to the process before this one is nobody’s', async () => {
  const before = setUp(1)
  void before.reads.barrier()
  before.reads.askIfNeeded()
  const { reads, world } = setUp(2)
  const barrier = reads.barrier()
  reads.askIfNeeded()
  world.applied = 9
  reads.answered(before.asked.map((context) => ({ index: 1, context })))
  reads.release()
  assert.ok(await isPending(barrier))
})

test('without an answer it fails in the end, naming who cannot be reached', async () => {
  const { clock, reads } = setUp()
  const barrier = reads.barrier()
  const told = assert.rejects(
    barrier,
    (error) => isFault(error, 'raft/no-leader') && String(error.fault['unreachable']) === 'bob',
  )
  clock.advance(4000)
  reads.tick()
  await told
})
