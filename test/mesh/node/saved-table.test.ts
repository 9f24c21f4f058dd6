import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../../mesh/base/log.ts'
import type { CatalogDelta } from '../../../mesh/catalog/types.ts'
import { loadSavedTable, removeSavedTable, TableSaver } from '../../../mesh/node/saved-table.ts'
import { SealedFile } from '../../../mesh/storage/sealed-file.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { MemoryDisk } from '../../support/memory-disk.ts'

const tableOf = (index: number, objects: number): CatalogDelta => ({
  index,
  reset: true,
  removals: [],
  upserts: Array.from({ length: objects }, (_, at) => ({
    kind: 'task',
    id: `t${at}`,
    claims: [],
    body: { Secret: 'a secret of a task' },
    version: at + 1,
    createdAtMs: 1,
    updatedAtMs: 2,
  })),
})

function saverOn(disk: MemoryDisk, snapshot: () => CatalogDelta) {
  const clock = new FakeClock()
  const warnings: string[] = []
  const log = { ...silentLog, warn: (_: object, message: string) => warnings.push(message) }
  return { clock, warnings, saver: new TableSaver({ disk, clock, log, snapshot }) }
}

test('what a worker knows comes back after a restart, and nobody reads it on the disk', async () => {
  for (const objects of [0, 1, 256, 700]) {
    const disk = new MemoryDisk()
    const { saver } = saverOn(disk, () => tableOf(42, objects))
    saver.changed()
    await saver.stop()
    assert.deepEqual(await loadSavedTable(disk, silentLog), tableOf(42, objects))
    const file = await disk.read('table.sealed')
    assert.ok(file !== null && !Buffer.from(file).includes('a secret'))
  }
})

test('a storm of changes is written now and then, the last of it too', async () => {
  const disk = new MemoryDisk()
  let index = 0
  let written = 0
  const { clock, saver } = saverOn(disk, () => {
    written++
    return tableOf(index, 3)
  })
  for (; index < 100; index++) {
    saver.changed()
    await clock.run(100)
  }
  saver.changed()
  await saver.stop()
  assert.equal((await loadSavedTable(disk, silentLog))?.index, 100)
  assert.ok(written <= 7, `${written} times in 10 s`)
})

test('a damaged file counts as none, and so does one that another key has sealed', async () => {
  const disk = new MemoryDisk()
  assert.equal(await loadSavedTable(disk, silentLog), null)
  const { saver } = saverOn(disk, () => tableOf(42, 5))
  saver.changed()
  await saver.stop()
  const whole = (await disk.read('table.sealed')) as Uint8Array
  for (const at of [0, 9, 13, 20, 40, whole.length - 1]) {
    const damaged = whole.slice()
    damaged[at] = (damaged[at] ?? 0) ^ 1
    await disk.replace('table.sealed', damaged)
    assert.equal(await loadSavedTable(disk, silentLog), null, `byte ${at}`)
  }
  for (const length of [0, 10, 40, whole.length - 3]) {
    await disk.replace('table.sealed', whole.subarray(0, length))
    assert.equal(await loadSavedTable(disk, silentLog), null, `${length} bytes`)
  }
  await disk.replace('table.sealed', whole)
  await disk.remove('storage.key')
  assert.equal(await loadSavedTable(disk, silentLog), null)
  await removeSavedTable(disk)
  assert.equal(await disk.read('table.sealed'), null)
})

test('a file that would be too long leaves the last one as it was', async () => {
  const disk = new MemoryDisk()
  const file = new SealedFile({ disk, path: 'f', purpose: 'test', maxBytes: 2000 })
  assert.ok(await file.save([new Uint8Array(1000)]))
  assert.ok(!(await file.save([new Uint8Array(1000), new Uint8Array(1000)])))
  assert.equal((await file.load())?.length, 1000)
})
