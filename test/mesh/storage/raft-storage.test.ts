import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Disk } from '../../../mesh/base/disk.ts'
import { silentLog, type Log, type LogFacts } from '../../../mesh/base/log.ts'
import { isFault } from '../../../mesh/base/mesh-error.ts'
import type { ConfState, Entry, HardState, Snapshot } from '../../../mesh/raft/types.ts'
import { RaftStorage } from '../../../mesh/storage/raft-storage.ts'
import { MemoryDisk } from '../../support/memory-disk.ts'

const walPath = 'raft/wal/0000000000000001.wal'
const confState: ConfState = {
  voters: [1],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
}

const entry = (index: number, term = 1, text = `e${index}`): Entry => ({
  term,
  index,
  kind: 'normal',
  data: Buffer.from(text),
})
const entries = (from: number, to: number, term = 1): Entry[] =>
  Array.from({ length: to - from + 1 }, (_, at) => entry(from + at, term))
const snapshotAt = (index: number, term = 1): Snapshot => ({
  meta: { index, term, confState },
  data: Buffer.from(`state at ${index}`),
})

/** Two entries and a hard state, each sealed on its own. */
const oldLog = {
  key: '{"version":1,"key":"bpWNxCtfIIP37Z/JMlLkIoxQFkIE203qFVy46prpUo0="}',
  segment: [
    'TUVTSFdBTDEAAAAAAAAAAeW1ipQAAAAAEV5wIvyiXQacfiISF2IuVrB2VhgAAAA127EoxQEB5bWKlGteEdW/wMt0',
    'bFAUlKdeYP8enmqiesuRFZLa0dG6LnBSWBeYutHGWU813TEe7KI6AAAANdfw8oIBAeW1ipQ50/ZmN20zIoRV31+V',
    'Y7ZgG58LS9mfffWY/epFTA4tbsg8AWylqcdbRr9NHHdMKgAAADo3YTtKAgHltYqUY9TLzuOUkRCbU8n2EasbVfNS',
    'WiV+CKNvhPSbNw7Slvc0zhJlPlPFRSbJMzuRqHUcQU8jdg==',
  ].join(''),
}

const open = (disk: Disk, segmentBytes?: number, log: Log = silentLog): Promise<RaftStorage> =>
  RaftStorage.open({ disk, log, ...(segmentBytes === undefined ? {} : { segmentBytes }) })

const save = (
  storage: RaftStorage,
  what: { entries?: Entry[]; hardState?: HardState; snapshot?: Snapshot; mustSync?: boolean },
): Promise<void> =>
  storage.save({
    entries: what.entries ?? [],
    hardState: what.hardState ?? null,
    snapshot: what.snapshot ?? null,
    mustSync: what.mustSync ?? true,
  })

function textsOf(storage: RaftStorage): string[] {
  const found = storage.entries(storage.firstIndex(), storage.lastIndex() + 1, Infinity)
  return typeof found === 'string' ? [] : found.map(({ data }) => Buffer.from(data).toString())
}

test('what was saved is there after a crash: entries, hard state, kinds and terms', async () => {
  const disk = new MemoryDisk()
  const storage = await open(disk)
  assert.ok(storage.isEmpty)
  const change: Entry = { ...entry(3, 2), kind: 'conf-change-v2' }
  const hardState = { term: 2, vote: 7, commit: 2 }
  await save(storage, { entries: [entry(1), entry(2), change], hardState })
  disk.crash()
  const again = await open(disk)
  assert.ok(!again.isEmpty)
  assert.deepEqual(again.initialState().hardState, hardState)
  const [first, , third] = again.entries(1, 4, Infinity) as readonly Entry[]
  assert.deepEqual([first?.term, third?.term, third?.kind], [1, 2, 'conf-change-v2'])
  assert.deepEqual(textsOf(again), ['e1', 'e2', 'e3'])
})

test('an entry voids what stood at its index and after it', async () => {
  const disk = new MemoryDisk()
  const storage = await open(disk)
  await save(storage, { entries: entries(1, 5) })
  await save(storage, { entries: [entry(3, 2, 'new')] })
  assert.deepEqual(textsOf(storage), ['e1', 'e2', 'new'])
  assert.deepEqual(textsOf(await open(disk)), ['e1', 'e2', 'new'])
})

test('unsynced writes may be lost, and no others', async () => {
  const disk = new MemoryDisk()
  const storage = await open(disk)
  await save(storage, { entries: [entry(1)] })
  await save(storage, { hardState: { term: 1, vote: 1, commit: 1 }, mustSync: false })
  disk.crash()
  const again = await open(disk)
  assert.equal(again.lastIndex(), 1)
  assert.equal(again.initialState().hardState.commit, 0)
})

test('a commit index alone costs no write, and goes out with the next record or at the end', async () => {
  const disk = new MemoryDisk()
  const storage = await open(disk)
  await save(storage, { entries: entries(1, 2), hardState: { term: 1, vote: 1, commit: 0 } })
  const before = (await disk.read(walPath))?.length
  await save(storage, { hardState: { term: 1, vote: 1, commit: 1 }, mustSync: false })
  assert.equal((await disk.read(walPath))?.length, before)
  assert.equal(storage.initialState().hardState.commit, 1)
  await save(storage, { entries: [entry(3)] })
  assert.equal((await open(disk)).initialState().hardState.commit, 1)
  await save(storage, { hardState: { term: 1, vote: 1, commit: 3 }, mustSync: false })
  await storage.close()
  assert.equal((await open(disk)).initialState().hardState.commit, 3)
})

test('a log of single records, as an older meshd wrote it, is read and continued', async () => {
  const disk = new MemoryDisk()
  await disk.replace('storage.key', Buffer.from(oldLog.key))
  await disk.replace(walPath, Buffer.from(oldLog.segment, 'base64'))
  const storage = await open(disk)
  assert.deepEqual(textsOf(storage), ['e1', 'e2'])
  assert.deepEqual(storage.initialState().hardState, { term: 3, vote: 1, commit: 1 })
  await save(storage, { entries: [entry(3, 3)] })
  assert.deepEqual(textsOf(await open(disk)), ['e1', 'e2', 'e3'])
})

test('a torn tail of any length is cut with a word in the log, and the log goes on', async () => {
  for (let tornBytes = 1; tornBytes < 130; tornBytes += 16) {
    const disk = new MemoryDisk()
    const storage = await open(disk)
    await save(storage, { entries: entries(1, 3) })
    await save(storage, { entries: entries(4, 9), mustSync: false })
    disk.crash(tornBytes)
    const warnings: LogFacts[] = []
    const log: Log = { ...silentLog, warn: (facts) => warnings.push(facts) }
    const again = await open(disk, undefined, log)
    assert.ok(again.lastIndex() >= 3 && again.lastIndex() < 9, `torn at ${tornBytes}`)
    assert.ok(warnings.length === 1 || again.lastIndex() > 3)
    const next = again.lastIndex() + 1
    await save(again, { entries: [entry(next, 2)] })
    assert.equal((await open(disk)).lastIndex(), next)
  }
})

test('garbage that follows the last record is a torn tail too', async () => {
  const disk = new MemoryDisk()
  await save(await open(disk), { entries: entries(1, 3) })
  disk.scribble(walPath, new Uint8Array(300))
  assert.equal((await open(disk)).lastIndex(), 3)
})

test('a flipped bit before the last record stops the start, naming file, offset and way out', async () => {
  const disk = new MemoryDisk()
  const hardState = { term: 1, vote: 1, commit: 0 }
  await save(await open(disk), { entries: entries(1, 3), hardState })
  // In each part of what holds the entries: its length, its checksum, its payload.
  for (const offset of [46, 50, 70]) {
    disk.flipBit(walPath, offset)
    await assert.rejects(open(disk), (error) => {
      assert.ok(isFault(error, 'storage/corrupt'))
      assert.equal(error.fault['path'], walPath)
      assert.equal(error.fault['offset'], 44)
      assert.match(String(error.fault['remedy']), /join again/)
      return true
    })
    disk.flipBit(walPath, offset)
  }
  assert.equal((await open(disk)).lastIndex(), 3)
})

test('a damaged or missing segment that is not the last stops the start', async () => {
  const fill = async (): Promise<MemoryDisk> => {
    const disk = new MemoryDisk()
    const storage = await open(disk, 200)
    for (let index = 1; index <= 12; index++) await save(storage, { entries: [entry(index)] })
    return disk
  }
  const missing = await fill()
  const names = await missing.list('raft/wal')
  assert.ok(names.length >= 3)
  await missing.remove(`raft/wal/${names[1]}`)
  await assert.rejects(open(missing), (error) => isFault(error, 'storage/corrupt'))
  const torn = await fill()
  await torn.truncate(walPath, 100)
  await assert.rejects(open(torn), (error) => isFault(error, 'storage/corrupt'))
})

test('a crash while a segment begins loses nothing', async () => {
  const disk = new MemoryDisk()
  const storage = await open(disk, 200)
  for (let index = 1; index <= 6; index++) await save(storage, { entries: [entry(index)] })
  const names = await disk.list('raft/wal')
  const next = (names.length + 1).toString(16).padStart(16, '0')
  disk.scribble(`raft/wal/${next}.wal`, Buffer.from('MESHWAL1 and no'))
  const again = await open(disk, 200)
  assert.equal(again.lastIndex(), 6)
  await save(again, { entries: entries(7, 20) })
  await save(again, { entries: entries(21, 22) })
  assert.equal((await open(disk, 200)).lastIndex(), 22)
})

test('a snapshot lets old entries, segments and snapshots go, and a restart begins with it', async () => {
  const disk = new MemoryDisk()
  const storage = await open(disk, 300)
  for (let index = 1; index <= 40; index++) {
    await save(storage, { entries: [entry(index)], hardState: { term: 1, vote: 1, commit: index } })
    if (index % 10 !== 0) continue
    await storage.saveSnapshotFile(snapshotAt(index))
    await storage.adoptSnapshot(snapshotAt(index), 5)
  }
  assert.equal(storage.firstIndex(), 36)
  assert.equal((await disk.list('raft/snapshots')).length, 2)
  const names = await disk.list('raft/wal')
  assert.ok(names[0] !== undefined && names[0] > '0000000000000002.wal')
  disk.crash()
  const again = await open(disk, 300)
  assert.equal(Buffer.from(again.snapshot()?.data ?? []).toString(), 'state at 40')
  assert.deepEqual(again.initialState().confState, confState)
  assert.equal(again.lastIndex(), 40)
  assert.equal(again.initialState().hardState.commit, 40)
})

test('a snapshot from the leader replaces a log that does not lead up to it', async () => {
  const disk = new MemoryDisk()
  const storage = await open(disk)
  await save(storage, { entries: entries(1, 30) })
  const hardState = { term: 3, vote: 0, commit: 20 }
  await save(storage, { snapshot: snapshotAt(20, 3), hardState })
  await save(storage, { entries: [entry(21, 3)] })
  disk.crash()
  const again = await open(disk)
  assert.deepEqual([again.firstIndex(), again.lastIndex()], [21, 21])
  assert.deepEqual(textsOf(again), ['e21'])
})

test('entries behind a snapshot survive when the segment of its own entry is gone', async () => {
  const disk = new MemoryDisk()
  const storage = await open(disk, 200)
  for (let index = 1; index <= 12; index++) await save(storage, { entries: [entry(index)] })
  await storage.saveSnapshotFile(snapshotAt(4))
  await storage.adoptSnapshot(snapshotAt(4), 0)
  assert.ok(!(await disk.list('raft/wal')).includes('0000000000000001.wal'))
  const again = await open(disk, 200)
  assert.deepEqual([again.firstIndex(), again.lastIndex()], [5, 12])
})

test('a damaged newest snapshot falls back on the one before while the log still covers it', async () => {
  const disk = new MemoryDisk()
  const storage = await open(disk)
  await save(storage, { entries: entries(1, 30) })
  for (const index of [10, 20]) {
    await storage.saveSnapshotFile(snapshotAt(index))
    await storage.adoptSnapshot(snapshotAt(index), 0)
  }
  const [, newest] = await disk.list('raft/snapshots')
  disk.flipBit(`raft/snapshots/${newest}`, 60)
  const again = await open(disk)
  assert.deepEqual([again.firstIndex(), again.lastIndex()], [11, 30])
})

test('a snapshot under the name of a newer one is not taken for it', async () => {
  const disk = new MemoryDisk()
  const storage = await open(disk)
  await save(storage, { entries: entries(1, 30) })
  for (const index of [10, 20]) {
    await storage.saveSnapshotFile(snapshotAt(index))
    await storage.adoptSnapshot(snapshotAt(index), 30)
  }
  const [older, newer] = await disk.list('raft/snapshots')
  const stale = await disk.read(`raft/snapshots/${older}`)
  await disk.replace(`raft/snapshots/${newer}`, stale ?? new Uint8Array())
  await disk.remove(`raft/snapshots/${older}`)
  assert.equal((await open(disk)).snapshot(), null)
})

test('a bit turned in any part of a snapshot makes it unreadable', async () => {
  const disk = new MemoryDisk()
  const storage = await open(disk)
  await save(storage, { entries: entries(1, 5) })
  await storage.saveSnapshotFile(snapshotAt(4))
  await storage.adoptSnapshot(snapshotAt(4), 30)
  const [name] = await disk.list('raft/snapshots')
  const length = (await disk.read(`raft/snapshots/${name}`))?.length ?? 0
  for (let offset = 0; offset < length; offset++) {
    disk.flipBit(`raft/snapshots/${name}`, offset)
    assert.equal((await open(disk)).snapshot(), null, `at ${offset}`)
    disk.flipBit(`raft/snapshots/${name}`, offset)
  }
})

test('nothing on the disk shows what an entry or a snapshot says', async () => {
  const disk = new MemoryDisk()
  const storage = await open(disk)
  await save(storage, { entries: [entry(1, 1, 'a very secret word')] })
  const secret: Snapshot = { ...snapshotAt(1), data: Buffer.from('a very secret word') }
  await storage.saveSnapshotFile(secret)
  for (const folder of ['raft/wal', 'raft/snapshots']) {
    for (const name of await disk.list(folder)) {
      const bytes = Buffer.from((await disk.read(`${folder}/${name}`)) ?? [])
      assert.equal(bytes.indexOf('secret word'), -1)
    }
  }
})

test('without its key, or with another one, a log is refused and not begun anew', async () => {
  const disk = new MemoryDisk()
  await save(await open(disk), { entries: [entry(1)] })
  const key = (await disk.read('storage.key')) ?? new Uint8Array()
  await disk.remove('storage.key')
  await assert.rejects(open(disk), (error) => isFault(error, 'storage/key-missing'))
  const other = new MemoryDisk()
  await open(other)
  await disk.replace('storage.key', (await other.read('storage.key')) ?? key)
  await assert.rejects(open(disk), (error) => isFault(error, 'storage/wrong-key'))
})

test('a failed sync is told as such', async () => {
  const disk = new MemoryDisk()
  const storage = await open(disk)
  disk.failSyncs(1)
  await assert.rejects(save(storage, { entries: [entry(1)] }), (error) =>
    isFault(error, 'storage/sync-failed'),
  )
})

test('a log that was begun is there without a record, and missed when it is gone', async () => {
  const disk = new MemoryDisk()
  await (await open(disk)).begin()
  disk.crash()
  const again = await RaftStorage.open({ disk, log: silentLog, mustExist: true })
  assert.ok(again.isEmpty)
  await again.close()
  await disk.remove(walPath)
  await assert.rejects(RaftStorage.open({ disk, log: silentLog, mustExist: true }), (error) => {
    assert.ok(isFault(error, 'storage/corrupt'))
    assert.match(String(error.fault['remedy']), /remove this node .* join again/)
    return true
  })
})
