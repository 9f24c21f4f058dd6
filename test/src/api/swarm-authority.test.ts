import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startApi, type ApiServer } from '../../support/api-server.ts'
import { meshctl } from '../../support/fake-io.ts'

interface Swarm {
  readonly Version: { readonly Index: number }
  readonly Spec: { readonly CAConfig: { readonly ForceRotate?: number } }
  readonly TLSInfo: { readonly TrustRoot: string }
  readonly RootRotationInProgress: boolean
}

const swarmOf = async (server: ApiServer): Promise<Swarm> =>
  (await server.call('GET', '/swarm')).json as Swarm

async function update(server: ApiServer, change: object): Promise<readonly [number, string]> {
  const { Version, Spec } = await swarmOf(server)
  const body = { ...Spec, CAConfig: { ...Spec.CAConfig, ...change } }
  const reply = await server.call('POST', `/swarm/update?version=${Version.Index}`, body)
  return [reply.status, reply.text]
}

test('docker’s ForceRotate begins a rotation once, and no reply holds a key', async () => {
  await using server = await startApi()
  assert.equal((await swarmOf(server)).RootRotationInProgress, false)
  assert.deepEqual(await update(server, { SigningCACert: '', SigningCAKey: '' }), [200, ''])
  assert.equal((await swarmOf(server)).RootRotationInProgress, false, 'an echo changes nothing')
  assert.deepEqual(await update(server, { ForceRotate: 1 }), [200, ''])
  const { text } = await server.call('GET', '/swarm')
  const swarm = JSON.parse(text) as Swarm
  assert.equal(swarm.RootRotationInProgress, true)
  assert.equal(swarm.Spec.CAConfig.ForceRotate, 1)
  assert.doesNotMatch(text + (await server.call('GET', '/info')).text, /KEY/)
  assert.deepEqual(await update(server, {}), [200, ''], 'other changes go on meanwhile')
  const [status, reason] = await update(server, { ForceRotate: 2 })
  assert.equal(status, 409)
  assert.match(reason, /under way/)
})

test('a CA that is given in part, or is none, is refused', async () => {
  await using server = await startApi()
  const refusals = [
    [{ SigningCACert: 'CERT' }, 400, /without its key/],
    [{ SigningCAKey: 'SECRET KEY' }, 400, /without its certificate/],
    [{ SigningCACert: 'BAD', SigningCAKey: 'SECRET KEY' }, 400, /there is no certificate/],
    [{ SigningCACert: 7 }, 400, /expected PEM/],
    [{ ForceRotate: 'yes' }, 400, /ForceRotate/],
    [{ ExternalCAs: [{ Protocol: 'cfssl', URL: 'https://ca.test' }] }, 501, /external CA/],
  ] as const
  for (const [change, expected, reason] of refusals) {
    const [status, text] = await update(server, change)
    assert.equal(status, expected, text)
    assert.match(text, reason)
    assert.doesNotMatch(text, /SECRET/)
  }
  assert.equal((await swarmOf(server)).RootRotationInProgress, false)
})

test('meshctl prints the root, reads the files itself, and waits for the end unless told not to', async () => {
  await using server = await startApi()
  using scope = new DisposableStack()
  const dir = mkdtempSync(join(tmpdir(), 'meshctl-ca-'))
  scope.defer(() => rmSync(dir, { recursive: true }))
  const [cert, key] = [join(dir, 'ca.pem'), join(dir, 'ca.key')]
  const ca = (...args: string[]) => meshctl(server.socketPath, ['swarm', 'ca', ...args])
  assert.equal((await ca()).out, 'CERTIFICATE OF THE TEST\n')
  assert.match((await ca('--ca-cert', cert)).err, /need --rotate/)
  assert.match((await ca('--rotate', '--ca-cert', cert)).err, /belong together/)
  assert.match((await ca('--rotate', '--ca-cert', cert, '--ca-key', key)).err, /cannot read/)
  writeFileSync(cert, 'BAD')
  writeFileSync(key, 'SECRET KEY')
  const bad = await ca('--rotate', '--ca-cert', cert, '--ca-key', key)
  assert.match(bad.err, /invalid CA: there is no certificate/)
  assert.doesNotMatch(bad.err, /SECRET/)
  assert.deepEqual(await ca('--rotate', '-d'), { code: 0, out: '', err: '' })
  assert.equal((await swarmOf(server)).RootRotationInProgress, true)
})
