import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeId } from '../../../mesh/base/ids.ts'
import { silentLog } from '../../../mesh/base/log.ts'
import { isFault } from '../../../mesh/base/mesh-error.ts'
import {
  clearRaftFiles,
  clearRaftLog,
  loadRaftLife,
  openRaftLog,
  saveRaftLife,
} from '../../../mesh/node/raft-files.ts'
import { MemoryDisk } from '../../support/memory-disk.ts'

const self = nodeId('ann0000000000000000000000')
const log = silentLog

const isCorrupt = (error: unknown): boolean => isFault(error, 'storage/corrupt')

test('an emptied log is no empty log: what was voted under its number is forgotten', async () => {
  const disk = new MemoryDisk()
  await saveRaftLife(disk, { raftId: 7, hasLog: false })
  const life = await loadRaftLife(disk, self)
  await (await openRaftLog(life, { disk, log })).close()
  const resumed = await loadRaftLife(disk, self)
  assert.deepEqual(resumed, { raftId: 7, hasLog: true })
  await (await openRaftLog(resumed, { disk, log })).close()
  await clearRaftLog(disk)
  await assert.rejects(openRaftLog(await loadRaftLife(disk, self), { disk, log }), isCorrupt)
})

test('a manager whose raft files are all gone does not start with an empty log', async () => {
  const disk = new MemoryDisk()
  await clearRaftFiles(disk)
  await assert.rejects(openRaftLog(await loadRaftLife(disk, self), { disk, log }), isCorrupt)
})

test('another life begins another log', async () => {
  const disk = new MemoryDisk()
  await (await openRaftLog({ raftId: 7, hasLog: false }, { disk, log })).close()
  await saveRaftLife(disk, { raftId: 8, hasLog: false })
  await clearRaftLog(disk)
  await (await openRaftLog(await loadRaftLife(disk, self), { disk, log })).close()
  assert.deepEqual(await loadRaftLife(disk, self), { raftId: 8, hasLog: true })
})
