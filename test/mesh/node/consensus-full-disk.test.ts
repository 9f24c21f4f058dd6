import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConsensusCluster, createService, has } from './consensus-cluster.ts'

test('a full disk refuses writes and no reads, and takes writes again when there is room', async () => {
  const cluster = await ConsensusCluster.founded(['ann'])
  const disk = cluster.disks.get('ann')
  const { consensus, fatals } = cluster.manager('ann')
  assert.ok(disk !== undefined)
  await cluster.write('ann', createService('before'))
  disk.isFull = true
  await cluster.clock.run(1500)
  await assert.rejects(cluster.write('ann', createService('refused')), /storage\/full.*memory/)
  await cluster.settled(consensus.barrier())
  disk.isFull = false
  await cluster.clock.run(1500)
  await cluster.write('ann', createService('after'))
  assert.equal(has(consensus.catalog(), 'refused'), false, 'what was refused was not written')
  assert.deepEqual(fatals, [])
  cluster.crash('ann')
  await cluster.start('ann')
  await cluster.settled(cluster.consensus('ann').barrier())
  assert.ok(has(cluster.consensus('ann').catalog(), 'after'))
  await cluster.stop()
})

test('a disk that another program fills at once refuses the very next write, and no read', async () => {
  const cluster = await ConsensusCluster.founded(['ann'])
  const disk = cluster.disks.get('ann')
  const { consensus } = cluster.manager('ann')
  assert.ok(disk !== undefined)
  await cluster.write('ann', createService('before'))
  await cluster.clock.run(100)
  disk.isFull = true
  await assert.rejects(cluster.write('ann', createService('refused')), /storage\/full/)
  await cluster.settled(consensus.barrier())
  disk.isFull = false
  await cluster.clock.run(100)
  await cluster.write('ann', createService('after'))
  assert.equal(has(consensus.catalog(), 'refused'), false)
  await cluster.stop()
})

test('a write that met the end of the disk waits for room, and nothing is said before', async () => {
  const cluster = await ConsensusCluster.founded(['ann'])
  const disk = cluster.disks.get('ann')
  const { consensus, fatals } = cluster.manager('ann')
  assert.ok(disk !== undefined)
  disk.isFull = true
  disk.hidesItsEnd = true
  disk.bytesBeforeFull = 10
  await assert.rejects(cluster.write('ann', createService('late')), /raft\/outcome-unknown/)
  assert.equal(has(consensus.catalog(), 'late'), false)
  await assert.rejects(cluster.settled(consensus.barrier()), /storage\/full/)
  disk.isFull = false
  assert.ok(await cluster.runUntil(() => has(consensus.catalog(), 'late'), 3000))
  await cluster.write('ann', createService('after'))
  assert.deepEqual(fatals, [])
  await cluster.stop()
})

test('a leader whose disk is nearly full lets another one lead', async () => {
  const cluster = await ConsensusCluster.founded(['ann', 'bob', 'cid'])
  const leader = await cluster.agreedLeader()
  const disk = cluster.disks.get(leader)
  assert.ok(disk !== undefined)
  disk.freeBytes = 1000
  const isOther = (): boolean => ![leader, undefined].includes(cluster.leaderName())
  assert.ok(await cluster.runUntil(isOther, 5000))
  await cluster.write(leader, createService('through the full one'))
  await cluster.stop()
})

test('the log on the disk stays below its bound, however much is written', async () => {
  const logBytesMax = 64 * 1024
  const cluster = await ConsensusCluster.founded(['ann'], { logBytesMax })
  const disk = cluster.disks.get('ann')
  assert.ok(disk !== undefined)
  let most = 0
  for (let at = 0; at < 150; at++) {
    const id = `s${at % 3}`
    const body = { id, text: 'x'.repeat(3000) }
    const object = { kind: 'service', id, claims: [], body }
    const change = at < 3 ? { kind: 'create' as const, object } : null
    await cluster.write('ann', change ?? { kind: 'update', object, ifVersion: null })
    most = Math.max(most, await disk.bytesIn('raft/wal'))
  }
  assert.ok(most > 20_000, 'there was something to bound')
  assert.ok(most <= logBytesMax, `it took ${most} bytes`)
  cluster.crash('ann')
  await cluster.start('ann')
  await cluster.settled(cluster.consensus('ann').barrier())
  assert.ok(has(cluster.consensus('ann').catalog(), 's2'))
  await cluster.stop()
})
