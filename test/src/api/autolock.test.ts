import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { lockedApi } from '../../../src/api/locked-api.ts'
import { gossipKeys } from '../../../src/model/gossip-key-ring.ts'
import { startApi, callApi, type ApiServer } from '../../support/api-server.ts'
import { meshctl } from '../../support/fake-io.ts'

interface Swarm {
  readonly Version: { readonly Index: number }
  readonly Spec: { readonly EncryptionConfig: { readonly AutoLockManagers: boolean } }
}

const swarmOf = async (server: ApiServer): Promise<Swarm> =>
  (await server.call('GET', '/swarm')).json as Swarm

async function update(server: ApiServer, change: object, query = ''): Promise<number> {
  const { Version, Spec } = await swarmOf(server)
  const path = `/swarm/update?version=${Version.Index}${query}`
  return (await server.call('POST', path, { ...Spec, ...change })).status
}

const keyOf = async (server: ApiServer): Promise<unknown> =>
  (await server.call('GET', '/swarm/unlockkey')).json

test('docker’s spec turns autolock on and off, and a rotation draws another key', async () => {
  let drawn = 0
  await using server = await startApi({ drawUnlockKey: () => `SWMKEY-1-${++drawn}` })
  assert.deepEqual(await keyOf(server), { UnlockKey: '' })
  assert.equal(await update(server, {}, '&rotateManagerUnlockKey=true'), 200)
  assert.deepEqual(await keyOf(server), { UnlockKey: '' }, 'nothing to rotate')
  assert.equal(await update(server, { EncryptionConfig: { AutoLockManagers: true } }), 200)
  assert.deepEqual(await keyOf(server), { UnlockKey: 'SWMKEY-1-1' })
  assert.equal((await swarmOf(server)).Spec.EncryptionConfig.AutoLockManagers, true)
  assert.equal(await update(server, {}), 200)
  assert.deepEqual(await keyOf(server), { UnlockKey: 'SWMKEY-1-1' }, 'an echo changes nothing')
  assert.equal(await update(server, {}, '&rotateManagerUnlockKey=true'), 200)
  assert.deepEqual(await keyOf(server), { UnlockKey: 'SWMKEY-1-2' })
  const { text } = await server.call('GET', '/swarm')
  assert.equal(text.includes('SWMKEY'), false, 'the swarm itself never shows it')
  assert.equal(await update(server, { EncryptionConfig: { AutoLockManagers: 'yes' } }), 400)
  assert.equal(await update(server, { EncryptionConfig: { AutoLockManagers: false } }), 200)
  assert.deepEqual(await keyOf(server), { UnlockKey: '' })
  const body = { UnlockKey: 'SWMKEY-1-2' }
  assert.equal((await server.call('POST', '/swarm/unlock', body)).status, 409)
})

test('meshctl locks, shows, rotates and unlocks as docker does', async () => {
  let drawn = 0
  await using server = await startApi({ drawUnlockKey: () => `SWMKEY-1-${++drawn}` })
  const run = (...args: string[]) => meshctl(server.socketPath, ['swarm', ...args])
  assert.match((await run('unlock-key')).err, /no unlock key is set/)
  assert.equal((await run('update')).code, 2)
  assert.equal((await run('update', '--autolock=maybe')).code, 2)
  const on = await run('update', '--autolock=true')
  assert.match(on.out, /Swarm updated\.[^]*SWMKEY-1-1\n/)
  assert.equal((await run('unlock-key', '-q')).out, 'SWMKEY-1-1\n')
  assert.equal((await run('unlock-key', '--rotate', '-q')).out, 'SWMKEY-1-2\n')
  assert.equal((await run('unlock')).code, 4)
  assert.equal((await run('update', '--autolock=false')).out, 'Swarm updated.\n')
})

test('the key of the gossip is replaced on request, and the swarm never shows it', async () => {
  await using server = await startApi()
  const before = gossipKeys(server.mesh.view().catalog)
  const { code, out } = await meshctl(server.socketPath, ['swarm', 'rotate-gossip-key'])
  assert.equal(code, 0)
  assert.match(out, /half a minute/)
  const ring = gossipKeys(server.mesh.view().catalog)
  assert.equal(ring?.length, 2)
  assert.equal(ring[0], before?.[0], 'the old one seals until all know the new one')
  assert.equal(Buffer.from(ring[1] ?? '', 'base64').length, 32)
})

test('a locked node answers who it is, takes its key, and nothing else', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'mesh-locked-'))
  const socketPath = join(directory, 'meshd.sock')
  const facts = { name: 'n1', version: '0.1.0', runtime: 'process' } as const
  const tried: string[] = []
  const unlock = (key: string): boolean => tried.push(key) > 0 && key === 'right'
  const server = createServer(lockedApi({ ...facts, unlock }))
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
  try {
    const call = (method: string, path: string, body?: unknown) =>
      callApi(socketPath, { method, path, body })
    assert.equal((await call('GET', '/v1.41/_ping')).text, 'OK')
    assert.equal((await call('GET', '/version')).status, 200)
    const info = (await call('GET', '/v1.41/info')).json as { Swarm: { LocalNodeState: string } }
    assert.equal(info.Swarm.LocalNodeState, 'locked')
    for (const path of ['/swarm', '/nodes', '/services', '/mesh/snapshot', '/swarm/unlockkey']) {
      const { status, text } = await call('GET', path)
      assert.equal(status, 503, path)
      assert.match(text, /needs to be unlocked/)
    }
    assert.equal((await call('POST', '/swarm/unlock', { UnlockKey: 7 })).status, 400)
    const wrong = await meshctl(socketPath, ['swarm', 'unlock'], { secret: 'wrong' })
    assert.match(wrong.err, /invalid key provided/)
    const right = await meshctl(socketPath, ['swarm', 'unlock'], { secret: 'right' })
    assert.equal(right.code, 0)
    assert.deepEqual(tried, ['wrong', 'right'])
  } finally {
    server.closeAllConnections()
    server.close()
    await rm(directory, { recursive: true })
  }
})
