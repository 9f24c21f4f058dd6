import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../../mesh/base/log.ts'
import type { Entry } from '../../../mesh/raft/types.ts'
import { isDiskFull } from '../../../mesh/storage/disk-full.ts'
import { RaftStorage } from '../../../mesh/storage/raft-storage.ts'
import { MemoryDisk } from '../../support/memory-disk.ts'

const entry = (index: number): Entry => ({
  term: 1,
  index,
  kind: 'normal',
  data: Buffer.from(`entry ${index}`),
})

const save = (storage: RaftStorage, index: number): Promise<void> =>
  storage.save({ entries: [entry(index)], hardState: null, snapshot: null, mustSync: true })

const open = (disk: MemoryDisk, segmentBytes = 400): Promise<RaftStorage> =>
  RaftStorage.open({ disk, log: silentLog, segmentBytes })

test('a write that did not fit leaves nothing behind, wherever it was cut', async () => {
  for (const bytesBeforeFull of [0, 1, 20, 44, 60, 100, 200]) {
    const disk = new MemoryDisk()
    const storage = await open(disk)
    // Long enough for segments to end and begin in between.
    for (let index = 1; index <= 12; index++) {
      disk.isFull = true
      disk.bytesBeforeFull = bytesBeforeFull
      await assert.rejects(save(storage, index), isDiskFull)
      await assert.rejects(save(storage, index), isDiskFull)
      assert.equal(storage.lastIndex(), index - 1, 'what is not kept is not known')
      disk.isFull = false
      await save(storage, index)
    }
    disk.crash()
    const again = await open(disk)
    assert.equal(again.lastIndex(), 12, `cut after ${bytesBeforeFull}`)
    await save(again, 13)
  }
})

test('a crash while the disk is full costs nothing that was kept', async () => {
  const disk = new MemoryDisk()
  const storage = await open(disk)
  await save(storage, 1)
  disk.isFull = true
  disk.bytesBeforeFull = 30
  await assert.rejects(save(storage, 2), isDiskFull)
  disk.crash(1000)
  const again = await open(disk)
  assert.equal(again.lastIndex(), 1)
  disk.isFull = false
  await save(again, 2)
  assert.equal((await open(disk)).lastIndex(), 2)
})

test('a log is closed on a full disk, too: what it still owed may be forgotten', async () => {
  const disk = new MemoryDisk()
  const storage = await open(disk)
  await save(storage, 1)
  const hardState = { term: 0, vote: 0, commit: 1 }
  await storage.save({ entries: [], hardState, snapshot: null, mustSync: false })
  disk.isFull = true
  await storage.close()
  disk.isFull = false
  assert.equal((await open(disk)).lastIndex(), 1)
})
