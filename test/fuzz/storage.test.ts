import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../mesh/base/log.ts'
import { isFault } from '../../mesh/base/mesh-error.ts'
import { SeededRandom } from '../../mesh/base/random.ts'
import type { ConfState, Entry, HardState, Snapshot } from '../../mesh/raft/types.ts'
import { RaftStorage } from '../../mesh/storage/raft-storage.ts'
import { decodeRecord, encodeRecord, type WalRecord } from '../../mesh/storage/wal-record.ts'
import { damage, undamagedPart, type Files } from '../support/damaged-disk.ts'
import { describeFuzz, fuzz, fuzzInputs, fuzzSeed } from '../support/fuzz.ts'
import { MemoryDisk } from '../support/memory-disk.ts'

const folders = ['raft/wal', 'raft/snapshots']
const confState: ConfState = {
  ...{ voters: [1, 2, 3], votersOutgoing: [], learners: [4], learnersNext: [], autoLeave: false },
}
const entry = (index: number, term: number): Entry => ({
  ...{ term, index, kind: 'normal', data: Buffer.from(`entry ${index} of term ${term}`) },
})
const hardStateAt = (commit: number, term: number): HardState => ({ term, vote: 1, commit })
const snapshotAt = (index: number, term: number): Snapshot => ({
  meta: { index, term, confState },
  data: Buffer.from(`state at ${index}`),
})

class Writer {
  readonly disk = new MemoryDisk()
  #storage: RaftStorage | null = null
  readonly #segmentBytes: number

  constructor(segmentBytes: number) {
    this.#segmentBytes = segmentBytes
  }

  async #open(): Promise<RaftStorage> {
    const options = { disk: this.disk, log: silentLog, segmentBytes: this.#segmentBytes }
    this.#storage ??= await RaftStorage.open(options)
    return this.#storage
  }

  async append(from: number, to: number, term: number): Promise<void> {
    const storage = await this.#open()
    for (let index = from; index <= to; index++) {
      const turn = { entries: [entry(index, term)], hardState: hardStateAt(index - 1, term) }
      await storage.save({ ...turn, snapshot: null, mustSync: true })
    }
  }

  async snapshot(index: number, term: number, entriesKept: number): Promise<void> {
    const storage = await this.#open()
    await storage.saveSnapshotFile(snapshotAt(index, term))
    await storage.adoptSnapshot(snapshotAt(index, term), entriesKept)
  }
}

async function filesOf(disk: MemoryDisk): Promise<Files> {
  const files = new Map<string, Buffer>()
  for (const folder of folders) {
    for (const name of await disk.list(folder)) {
      files.set(`${folder}/${name}`, Buffer.from((await disk.read(`${folder}/${name}`)) ?? []))
    }
  }
  return files
}

/** Logs of one and of several segments, with overwritten entries, and with snapshots. */
async function scenarios(): Promise<Writer[]> {
  const plain = new Writer(1 << 20)
  await plain.append(1, 5, 1)
  const segments = new Writer(300)
  await segments.append(1, 4, 1)
  await segments.append(3, 6, 2)
  const compacted = new Writer(400)
  await compacted.append(1, 4, 1)
  await compacted.snapshot(3, 1, 1)
  await compacted.append(5, 8, 2)
  await compacted.snapshot(6, 2, 4)
  await compacted.append(9, 10, 2)
  return [plain, segments, compacted]
}

/** What a node knows when it starts from these files: null when it refuses to. */
async function stateFrom(files: Files, key: Uint8Array): Promise<string | null> {
  const disk = new MemoryDisk()
  await disk.replace('storage.key', key)
  for (const [path, bytes] of files) await disk.replace(path, bytes)
  try {
    return describe(await RaftStorage.open({ disk, log: silentLog }))
  } catch (error) {
    if (isFault(error, 'storage/corrupt')) return null
    throw error
  }
}

function describe(storage: RaftStorage): string {
  const snapshot = storage.snapshot()
  const entries = storage.entries(storage.firstIndex(), storage.lastIndex() + 1, Infinity)
  assert.ok(typeof entries !== 'string' || storage.lastIndex() < storage.firstIndex())
  const texts = typeof entries === 'string' ? [] : entries.map(({ data }) => String(data))
  return JSON.stringify([
    storage.initialState(),
    snapshot === null ? null : [snapshot.meta, String(snapshot.data)],
    storage.firstIndex(),
    texts,
  ])
}

const describeDamage = (files: Files, whole: Files): string =>
  [...whole]
    .filter(([path, bytes]) => files.get(path)?.equals(bytes) !== true)
    .map(([path, bytes]) => {
      const found = files.get(path)?.toString('base64') ?? 'gone'
      return `${path}\n  was ${bytes.toString('base64')}\n  is  ${found}`
    })
    .join('\n')

test('a damaged log or snapshot is cut at a torn tail, or stops the start; nothing else is lost', async (t) => {
  const random = new SeededRandom(fuzzSeed)
  const writers = await scenarios()
  const counts = { refused: 0, cut: 0, same: 0 }
  let slowestMs = 0
  for (const { disk } of writers) {
    const whole = await filesOf(disk)
    const key = (await disk.read('storage.key')) ?? new Uint8Array()
    const expected = new Map<string, string | null>()
    const intact = await stateFrom(whole, key)
    assert.ok(intact !== null)
    for (let input = 0; input < fuzzInputs / writers.length; input++) {
      let damaged = damage(whole, [...whole.keys()], random)
      if (random.below(4) === 0) damaged = damage(damaged, [...whole.keys()], random)
      const rest = undamagedPart(whole, damaged)
      const startedMs = performance.now()
      const state = await stateFrom(damaged, key)
      slowestMs = Math.max(slowestMs, performance.now() - startedMs)

      const restKey =
        rest === null ? 'none' : [...rest].map(([path, bytes]) => path + bytes.length).join()
      if (!expected.has(restKey)) {
        expected.set(restKey, rest === null ? null : await stateFrom(rest, key))
      }
      const known = expected.get(restKey) ?? null
      assert.equal(state, known, describeDamage(damaged, whole))
      counts[state === null ? 'refused' : state === intact ? 'same' : 'cut']++
    }
  }
  assert.ok(Math.min(...Object.values(counts)) > fuzzInputs / 100, JSON.stringify(counts))
  t.diagnostic(`${fuzzInputs} disks: ${JSON.stringify(counts)}; slowest ${slowestMs.toFixed(1)} ms`)
})

const records: WalRecord[] = [
  { kind: 'entry', entry: entry(7, 3) },
  { kind: 'hard-state', hardState: hardStateAt(6, 3) },
  { kind: 'snapshot-marker', index: 5, term: 2 },
]

test('no payload of a record harms its decoder', (t) => {
  const target = {
    name: 'records of the log',
    corpus: records.map((record) => {
      const { type, version, payload } = encodeRecord(record)
      return Buffer.concat([Buffer.from([type, version]), payload])
    }),
    decode: (bytes: Uint8Array): boolean => {
      const [type = 0, version = 0] = bytes
      const record = decodeRecord({ type, version, payload: bytes.subarray(2) })
      if (record === null) return false
      if (record.kind !== 'entry') return true
      assert.equal(record.entry.data.length, bytes.length - 2 - 17)
      return true
    },
  }
  t.diagnostic(describeFuzz(fuzz(target, fuzzInputs, fuzzSeed)))
})
