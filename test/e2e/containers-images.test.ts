import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ContainerStage } from '../support/container-stage.ts'
import { runProgram } from '../support/daemon.ts'
import { dockerUnavailable } from '../support/docker-engine.ts'
import { Registry, registryUnavailable } from '../support/registry.ts'

const reason = dockerUnavailable() ?? registryUnavailable()
const password = 'secret'
const account = {
  user: 'mesh',
  hash: '$2b$05$xThVn/xYeDRB402yjiKMq.UKcFmdL5jX5yppGygwSHN6FXcvWHWbC',
}
const auth = Buffer.from(`${account.user}:${password}`).toString('base64')

describe('images on a real engine', { skip: reason ?? false, concurrency: 2 }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'mci-'))
  const open = new Registry({ port: 5000, dir: join(dir, 'open') })
  const fragile = new Registry({ port: 5002, dir: join(dir, 'fragile') })
  const closed = new Registry({ port: 5001, dir: join(dir, 'closed'), account })
  let stage: ContainerStage

  before(async () => {
    await Promise.all([open.start(), fragile.start(), closed.start()])
    const logins = [{ registry: closed, auth }]
    stage = await ContainerStage.open({ name: 'images', block: '127.0.47', logins })
  })
  after(async () => {
    await stage?.close()
    await Promise.all([open.stop(), fragile.stop(), closed.stop()])
    rmSync(dir, { recursive: true, force: true })
  })

  /** Into its registry, and away from the engine. */
  async function publish(image: string): Promise<void> {
    const { engine, dockerConfig } = stage
    engine.docker('tag', 'busybox:latest', image)
    const words = ['--config', dockerConfig, '-H', `unix://${engine.socket}`, 'push', '-q', image]
    const { code, stderr } = await runProgram('docker', words)
    assert.equal(code, 0, stderr)
    engine.docker('rmi', image)
  }

  const imageOf = (service: string): Promise<string> =>
    stage.docker(
      ...['service', 'inspect', '--format', '{{.Spec.TaskTemplate.ContainerSpec.Image}}', service],
    )

  test('an image is pinned by its digest, pulled, and used though its registry is down', async () => {
    const image = `${open.host}/app:1`
    await publish(image)
    await stage.createPinned('app', image, 'sleep', '600')
    await stage.runs('app')
    assert.match(await imageOf('app'), /^127\.0\.0\.1:5000\/app:1@sha256:[0-9a-f]{64}$/)
    await open.stop()
    await stage.docker('service', 'scale', '-d', 'app=2')
    await stage.runs('app', 2)
    await stage.gone('app')
    await open.start()
  })

  test('meshctl pins as docker does, with its login, and goes by the name where it cannot', async () => {
    const image = `${closed.host}/own:1`
    await publish(image)
    const flags = ['-d', '--stop-grace-period', '1s', '--with-registry-auth', '--name', 'own']
    const made = await stage.meshctl('service', 'create', ...flags, image, 'sleep', '600')
    assert.deepEqual([made.code, made.stderr], [0, ''])
    assert.match(await imageOf('own'), /^127\.0\.0\.1:5001\/own:1@sha256:[0-9a-f]{64}$/)
    await stage.runs('own')
    const local = `${closed.host}/local:1`
    stage.engine.docker('tag', 'busybox:latest', local)
    const update = (...words: string[]): ReturnType<typeof stage.meshctl> =>
      stage.meshctl('service', 'update', '-d', ...words, 'own')
    const byName = await update('--image', local, '--update-order', 'start-first')
    assert.equal(byName.code, 0, byName.stderr)
    assert.match(byName.stderr, /local:1 could not be accessed on a registry/)
    assert.equal(await imageOf('own'), local)
    await stage.runs('own')
    const asIs = await update('--no-resolve-image', '--image', image)
    assert.deepEqual([asIs.code, asIs.stderr], [0, ''])
    assert.equal(await imageOf('own'), image)
    const back = await update('--with-registry-auth', '--image', `${open.host}/none:1`)
    assert.match(back.stderr, /none:1 could not be accessed on a registry/)
    await stage.gone('own')
  })

  test('a pull that fails says where and why, and is tried again until it works', async () => {
    const image = `${fragile.host}/late:1`
    await fragile.stop()
    await stage.create('late', image, 'sleep', '600')
    await stage.taskWith(
      'late',
      /^preparing \| tries again in \d s \| No such image: 127\.0\.0\.1:5002\/late:1.*on node n[12]/,
    )
    await fragile.start()
    await publish(image)
    await stage.runs('late')
    await stage.gone('late')
    await stage.create('never', `${fragile.host}/never:1`, 'sleep', '600')
    await stage.taskWith('never', /^rejected .*No such image: .*never:1/)
    await stage.gone('never')
  })

  test('credentials come with the service, reach its node, and are shown to nobody', async () => {
    const image = `${closed.host}/private:1`
    await publish(image)
    const once = ['--restart-condition', 'none', '--constraint', 'node.hostname==n2']
    await stage.create('shut', ...once, image, 'sleep', '600')
    await stage.taskWith('shut', /^rejected .*(no basic auth|unauthorized|denied)/)
    await stage.createPinned('member', '--with-registry-auth', ...once, image, 'sleep', '600')
    assert.match(await imageOf('member'), /^127\.0\.0\.1:5001\/private:1@sha256:[0-9a-f]{64}$/)
    await stage.runs('member')
    await stage.docker('service', 'scale', '-d', 'member=2')
    await stage.runs('member', 2)
    const secret = Buffer.from(password).toString('base64').slice(0, 6)
    const shown = [
      await stage.docker('service', 'inspect', 'member'),
      JSON.stringify(await stage.tasks('member')),
      stage.node.log(),
      stage.other.log(),
    ].join('\n')
    for (const word of ['PullOptions', 'RegistryAuth', password, secret]) {
      assert.ok(!shown.includes(word), word)
    }
    await stage.gone('shut', 'member')
  })
})
