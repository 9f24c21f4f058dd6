import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { isFault, MeshError } from '../../../mesh/base/mesh-error.ts'
import { drawUnlockKey, parseUnlockKey } from '../../../mesh/identity/unlock-key.ts'
import { Vault } from '../../../mesh/storage/vault.ts'
import { MemoryDisk } from '../../support/memory-disk.ts'

const guarded = { paths: ['identity.json', 'storage.key'], anchor: 'identity.json' }
const secrets = { 'identity.json': 'PRIVATE KEY of the node', 'storage.key': 'KEY of the log' }
const first = randomBytes(32)
const second = randomBytes(32)

async function diskWithSecrets(): Promise<MemoryDisk> {
  const disk = new MemoryDisk()
  for (const [path, text] of Object.entries(secrets)) await disk.replace(path, Buffer.from(text))
  return disk
}

const open = (disk: MemoryDisk): Promise<Vault> => Vault.open(disk, guarded)

async function assertReadable(vault: Vault): Promise<void> {
  for (const [path, text] of Object.entries(secrets)) {
    assert.equal(Buffer.from((await vault.read(path)) ?? []).toString(), text)
  }
}

async function isInClear(disk: MemoryDisk): Promise<boolean> {
  const files = await Promise.all(guarded.paths.map((path) => disk.read(path)))
  return files.some((file) => Buffer.from(file ?? []).includes('KEY'))
}

test('a lock leaves nothing in clear, and only its key opens it after a restart', async () => {
  const disk = await diskWithSecrets()
  const running = await open(disk)
  assert.equal(await running.obey({ serial: 1, unlockKey: first }), 'changed')
  assert.equal(await running.obey({ serial: 1, unlockKey: first }), 'as it was')
  assert.equal(await isInClear(disk), false)
  await assertReadable(running)
  await running.replace('identity.json', Buffer.from(secrets['identity.json']))
  assert.equal(await isInClear(disk), false, 'nor does what is written later')

  const restarted = await open(disk)
  assert.equal(restarted.isLocked, true)
  await assert.rejects(restarted.read('identity.json'), (e) => isFault(e, 'storage/locked'))
  await assert.rejects(restarted.replace('storage.key', Buffer.from('x')), (e) =>
    isFault(e, 'storage/locked'),
  )
  assert.equal(restarted.unlock(second), false)
  assert.equal(restarted.isLocked, true)
  assert.equal(restarted.unlock(first), true)
  await assertReadable(restarted)
})

test('a node that was down while the key changed starts with the old one, then has the new', async () => {
  const disk = await diskWithSecrets()
  await (await open(disk)).obey({ serial: 1, unlockKey: first })
  const late = await open(disk)
  assert.equal(late.unlock(second), false, 'the key of today is none for it')
  assert.equal(late.unlock(first), true)
  await late.obey({ serial: 2, unlockKey: second })
  // Its log says once more what was true before.
  assert.equal(await late.obey({ serial: 1, unlockKey: first }), 'as it was')
  const again = await open(disk)
  assert.equal(again.unlock(first), false)
  assert.equal(again.unlock(second), true)
  await assertReadable(again)
})

test('without the lock a restart needs no key, and an older order does not bring it back', async () => {
  const disk = await diskWithSecrets()
  const vault = await open(disk)
  await vault.obey({ serial: 1, unlockKey: first })
  await vault.obey({ serial: 2, unlockKey: null })
  const restarted = await open(disk)
  assert.equal(restarted.isLocked, false)
  await assertReadable(restarted)
  assert.equal(await restarted.obey({ serial: 1, unlockKey: first }), 'as it was')
  assert.equal((await open(disk)).isLocked, false)
})

test('a worker is released whatever the order was, and locked again as a manager', async () => {
  const disk = await diskWithSecrets()
  const vault = await open(disk)
  await vault.obey({ serial: 3, unlockKey: first })
  assert.equal(await vault.release(), 'changed')
  assert.equal((await open(disk)).isLocked, false)
  assert.equal(await vault.obey({ serial: 3, unlockKey: first }), 'changed')
  assert.equal((await open(disk)).isLocked, true)
})

/** The disk fails for good from its `count`-th replacement on, as a machine does that dies there. */
class DyingDisk extends MemoryDisk {
  left = Infinity

  override async replace(path: string, data: Uint8Array): Promise<void> {
    if (this.left-- <= 0) throw new MeshError({ code: 'storage/io', path })
    await super.replace(path, data)
  }
}

test('wherever a change of the lock is cut off, the old key or the new one opens everything', async () => {
  const orders = [
    { serial: 1, unlockKey: first },
    { serial: 2, unlockKey: second },
    { serial: 3, unlockKey: null },
  ] as const
  let cuts = 0
  for (const [at, order] of orders.entries()) {
    for (let writes = 0; writes < 5; writes++) {
      const disk = new DyingDisk()
      for (const [path, text] of Object.entries(secrets)) {
        await disk.replace(path, Buffer.from(text))
      }
      const vault = await open(disk)
      for (const before of orders.slice(0, at)) await vault.obey(before)
      disk.left = writes
      const isCut = await vault.obey(order).then(
        () => false,
        () => true,
      )
      if (isCut) cuts++
      disk.left = Infinity
      const restarted = await open(disk)
      const before = orders[at - 1]?.unlockKey ?? null
      const keys = isCut ? [before] : [order.unlockKey]
      const isOpen = keys.some((key) =>
        key === null ? !restarted.isLocked : restarted.unlock(key),
      )
      assert.equal(isOpen, true, `order ${at}, cut after ${writes} writes`)
      await assertReadable(restarted)
      await restarted.obey(order)
      assert.equal((await open(disk)).isLocked, order.unlockKey !== null)
      assert.equal(await isInClear(disk), false)
    }
  }
  assert.equal(cuts, 6, 'four writes lock, one changes the key, one takes the lock away')
})

test('who forgets the cluster forgets the lock, also when that was cut off', async () => {
  const disk = await diskWithSecrets()
  const vault = await open(disk)
  await vault.obey({ serial: 4, unlockKey: first })
  await disk.remove('identity.json')
  const restarted = await open(disk)
  assert.equal(restarted.isLocked, false)
  assert.deepEqual(await disk.list(''), [])
  await disk.replace('identity.json', Buffer.from('another life'))
  assert.equal(await restarted.obey({ serial: 1, unlockKey: second }), 'changed')
})

test('an unlock key is written as Docker writes it, and anything else is none', () => {
  const key = drawUnlockKey()
  assert.match(key, /^SWMKEY-1-[A-Za-z0-9+/]{43}$/)
  assert.equal(parseUnlockKey(` ${key}\n`)?.length, 32)
  for (const other of ['', 'SWMKEY-1-', key.slice(0, -1), `${key}A`, key.replace('1', '2')]) {
    assert.equal(parseUnlockKey(other), null, other)
  }
})
