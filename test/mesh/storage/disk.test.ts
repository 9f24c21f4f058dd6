import assert from 'node:assert/strict'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { Disk } from '../../../mesh/base/disk.ts'
import { isFault } from '../../../mesh/base/mesh-error.ts'
import { NodeDisk } from '../../../mesh/storage/node-disk.ts'
import { MemoryDisk } from '../../support/memory-disk.ts'

async function temporaryFolder(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'meshd-disk-'))
  context.after(() => rm(folder, { recursive: true }))
  return folder
}

const disks: readonly [string, (context: TestContext) => Promise<Disk>][] = [
  ['NodeDisk', async (context) => new NodeDisk(await temporaryFolder(context))],
  ['MemoryDisk', () => Promise.resolve(new MemoryDisk())],
]

for (const [name, make] of disks) {
  test(`${name} reads null where nothing is, and lists nothing`, async (context) => {
    const disk = await make(context)
    assert.equal(await disk.read('a/b'), null)
    assert.deepEqual(await disk.list('a'), [])
    await disk.remove('a/b')
  })

  test(`${name} replaces a file whole and lists names in order`, async (context) => {
    const disk = await make(context)
    await disk.replace('deep/er/b', Buffer.from('long content'))
    await disk.replace('deep/er/b', Buffer.from('short'))
    await disk.replace('deep/er/a', Buffer.from(''))
    assert.equal(Buffer.from((await disk.read('deep/er/b')) ?? []).toString(), 'short')
    assert.deepEqual(await disk.list('deep/er'), ['a', 'b'])
    assert.deepEqual(await disk.list('deep'), [])
    await disk.remove('deep/er/a')
    assert.deepEqual(await disk.list('deep/er'), ['b'])
  })

  test(`${name} appends across reopening and cuts`, async (context) => {
    const disk = await make(context)
    for (const part of ['one', 'two']) {
      const file = await disk.openAppend('log/1')
      await file.append(Buffer.from(part))
      await file.sync()
      await file.close()
    }
    await disk.truncate('log/1', 4)
    assert.equal(Buffer.from((await disk.read('log/1')) ?? []).toString(), 'onet')
  })
}

test('NodeDisk keeps files and folders from everybody else', async (context) => {
  const folder = await temporaryFolder(context)
  const disk = new NodeDisk(folder)
  await disk.replace('secret/key', Buffer.from('k'))
  await (await disk.openAppend('secret/log')).close()
  const modeOf = async (path: string): Promise<number> =>
    (await stat(join(folder, path))).mode & 0o777
  assert.equal(await modeOf('secret'), 0o700)
  assert.equal(await modeOf('secret/key'), 0o600)
  assert.equal(await modeOf('secret/log'), 0o600)
})

test('NodeDisk names path, operation and reason when the file system refuses', async (context) => {
  const folder = await temporaryFolder(context)
  const disk = new NodeDisk(folder)
  await disk.replace('file', Buffer.from('x'))
  await assert.rejects(
    disk.replace('file/under', Buffer.from('y')),
    (error) => isFault(error, 'storage/io') && error.fault['path'] === 'file/under',
  )
})
