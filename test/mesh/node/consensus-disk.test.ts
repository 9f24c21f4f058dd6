import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { silentLog } from '../../../mesh/base/log.ts'
import { SeededRandom } from '../../../mesh/base/random.ts'
import { Consensus } from '../../../mesh/node/consensus.ts'
import { foundLog } from '../../../mesh/node/found-log.ts'
import { NodeDisk } from '../../../mesh/storage/node-disk.ts'
import { RaftStorage } from '../../../mesh/storage/raft-storage.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { MemoryNetwork } from '../../support/memory-network.ts'
import { createNode, createService, has, idOf, testPolicy } from './consensus-cluster.ts'

test('a manager on a real disk resumes with all it acknowledged, through snapshots', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'meshd-consensus-'))
  context.after(() => rm(folder, { recursive: true }))
  const clock = new FakeClock()
  const network = new MemoryNetwork({ clock, random: new SeededRandom(1) })
  const fatals: Error[] = []

  async function start(isFirst: boolean): Promise<Consensus> {
    const storage = await RaftStorage.open({ disk: new NodeDisk(folder), log: silentLog })
    const founding = { request: 'f', atMs: 1, changes: [createNode('ann', 'manager')] }
    if (isFirst) await foundLog(storage, idOf('ann'), founding)
    return new Consensus({
      self: idOf('ann'),
      policy: testPolicy,
      storage,
      transport: network.attach(idOf('ann'), 'ann:1').transport,
      clock,
      random: new SeededRandom(2),
      log: silentLog,
      fatal: (error) => fatals.push(error),
      snapshotEveryEntries: 10,
    })
  }

  /** The disk takes real time, the clock is ours: a little of both until it is done. */
  async function settled<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const note = (): void => {
      isSettled = true
    }
    promise.then(note, note)
    for (let round = 0; round < 1000 && !isSettled; round++) {
      await clock.run(2)
      await sleep(1)
    }
    return promise
  }

  const first = await start(true)
  await settled(first.barrier())
  for (let at = 0; at < 35; at++) {
    const changes = [createService(`s${at}`)]
    await settled(first.propose({ request: `r${at}`, atMs: at, changes }))
  }
  await first.stop()
  const second = await start(false)
  await settled(second.barrier())
  assert.equal(second.catalog().list('service').length, 35)
  assert.ok(has(second.catalog(), 's34'))
  const again = { request: 'r34', atMs: 99, changes: [createService('s34')] }
  assert.equal((await settled(second.propose(again))).kind, 'applied')
  await second.stop()
  assert.deepEqual(fatals, [])
})
