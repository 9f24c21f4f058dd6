import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { registryLogin, registryOf } from '../../../src/meshctl/registry-login.ts'
import { meshctl } from '../../support/fake-io.ts'
import { RecordedApi } from '../../support/recorded-api.ts'

for (const words of [
  '--ulimit x',
  '--ulimit nofile=many',
  '--host x',
  '--host db:nowhere',
  '--dns name',
  '--oom-score-adj 9999',
  '--health-interval soon',
  '--env =x',
  '--label =x',
  '--log-opt a=b',
  '--no-healthcheck --health-retries 1',
  '--env-file /no/such/file',
  '--mount type=bind',
  '--mount target=/a,what=1',
  '--mount target=/a,ro=perhaps',
  '--mount type=tmpfs,target=/a,volume-nocopy',
  '--mount target',
  '--mount type=bind,source=/a,target=/b,bind-recursive=readonly',
  '--mount "target=/a',
  '--entrypoint "a',
  '--publish 80:80-81',
  '--publish 82-80',
  '--mode sideways',
  '--mode global --replicas 2',
  '--restart-condition sometimes',
]) {
  test(`${words} is refused before anything is asked`, async () => {
    await using api = await RecordedApi.start()
    const create = ['service', 'create', '-d', '--no-resolve-image']
    const { code, err } = await meshctl(api.socketPath, [...create, ...words.split(' '), 'img'])
    assert.equal(code, 2, err)
    assert.deepEqual(api.posted, [])
  })
}

const later = ['secret', 'config', 'network', 'generic-resource']

test('flags that nothing would come of are refused by name', async () => {
  await using api = await RecordedApi.start()
  const names = [...later, 'credential-spec', 'max-concurrent']
  const changes = later.flatMap((name) => [`${name}-add`, `${name}-rm`])
  const refusal = async (...words: string[]): Promise<string> =>
    (await meshctl(api.socketPath, ['service', ...words])).err
  for (const name of names) {
    assert.equal(
      await refusal('create', `--${name}`, '1', 'img'),
      `error: --${name} has no effect yet\n`,
    )
  }
  api.spec = { Name: 'web', TaskTemplate: { ContainerSpec: { Image: 'i' } }, Mode: {} }
  for (const name of changes) {
    assert.match(
      await refusal('update', `--${name}=1`, 'web'),
      new RegExp(`--${name} has no effect`),
    )
  }
  assert.match(await refusal('create', '--mode', 'global-job', 'img'), /global-job has no effect/)
  assert.deepEqual(api.posted, [])
})

test('what docker login left is found by the registry of the image', (t) => {
  assert.equal(registryOf('busybox'), 'https://index.docker.io/v1/')
  assert.equal(registryOf('me/app:1'), 'https://index.docker.io/v1/')
  assert.equal(registryOf('localhost/app'), 'localhost')
  assert.equal(registryOf('r.example:5000/a/b:1'), 'r.example:5000')
  const dir = mkdtempSync(join(tmpdir(), 'meshctl-login-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const auth = Buffer.from('me:a:b').toString('base64')
  const config = { auths: { 'r.example:5000': { auth } } }
  writeFileSync(join(dir, 'config.json'), JSON.stringify(config))
  const login = registryLogin('r.example:5000/app', { DOCKER_CONFIG: dir }) ?? ''
  assert.equal(login.length % 4, 0, 'engines want its padding')
  assert.deepEqual(JSON.parse(Buffer.from(login, 'base64url').toString()), {
    username: 'me',
    password: 'a:b',
    serveraddress: 'r.example:5000',
  })
  assert.equal(registryLogin('other.example/app', { DOCKER_CONFIG: dir }), null)
})
