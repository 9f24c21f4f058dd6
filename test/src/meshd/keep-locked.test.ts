import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLog } from '../../../mesh/base/log.ts'
import { parseUnlockKey } from '../../../mesh/identity/unlock-key.ts'
import { guardedFiles } from '../../../mesh/node/node-state.ts'
import { startMeshNode } from '../../../mesh/node/start-mesh-node.ts'
import { NodeDisk } from '../../../mesh/storage/node-disk.ts'
import { Vault } from '../../../mesh/storage/vault.ts'
import { ClusterStore } from '../../../src/meshd/cluster-store.ts'
import { keepLocked } from '../../../src/meshd/keep-locked.ts'
import { unlockKeyOf } from '../../../src/model/autolock.ts'
import { meshPolicy } from '../../../src/model/mesh-policy.ts'
import { systemClock } from '../../../src/runtime/system-clock.ts'
import { systemRandom } from '../../../src/runtime/system-random.ts'
import { eventually } from '../../support/daemon.ts'

const host = '127.0.55.9'
const facts = {
  name: 'n1',
  gossipAddress: `${host}:7946`,
  controlAddress: `${host}:2377`,
  dataPathAddress: `${host}:4789`,
  availability: 'active',
  description: { Hostname: 'n1', Platform: {}, Resources: {}, Engine: {}, Runtime: 'process' },
} as const

async function start(vault: Vault) {
  const { node, how } = await startMeshNode(
    { facts, listenHost: host, gossipPort: 7946, join: null, autolock: true },
    {
      disk: vault,
      policy: meshPolicy,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      eventLoopDelayMs: () => 0,
      fatal: (error) => assert.fail(error),
    },
  )
  const store = new ClusterStore(node)
  const keeping = keepLocked({ node, store, vault, log: silentLog })
  const stop = async (): Promise<void> => {
    await keeping[Symbol.asyncDispose]()
    store[Symbol.dispose]()
    await node.stop()
  }
  return { node, how, store, stop }
}

test('a founder’s keys are locked at once, and with its key it is again who it was', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'meshd-locked-'))
  const openVault = (): Promise<Vault> => Vault.open(new NodeDisk(dir), guardedFiles)
  const fileOf = (path: string): string => readFileSync(join(dir, path), 'latin1')
  try {
    const founder = await start(await openVault())
    await eventually('it is locked', 10_000, () => {
      const isWritten = guardedFiles.paths.every((path) => fileOf(path).startsWith('MESHLCK1'))
      return isWritten && fileOf('lock.json').includes('"isSealed":true')
    })
    const key = unlockKeyOf(founder.store.view.catalog)?.key ?? ''
    await founder.stop()

    const vault = await openVault()
    assert.equal(vault.isLocked, true)
    assert.equal(vault.unlock(parseUnlockKey(key) ?? new Uint8Array(32)), true)
    const back = await start(vault)
    assert.equal(back.how, 'resumed')
    assert.equal(back.node.self, founder.node.self)
    await eventually('it leads', 10_000, () => back.node.leader().isSelf)
    await back.stop()
    assert.equal((await openVault()).isLocked, true)
  } finally {
    rmSync(dir, { recursive: true })
  }
})
