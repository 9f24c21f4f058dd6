import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { silentLog } from '../../../mesh/base/log.ts'
import { DockerEngine } from '../../../src/containers/docker-engine.ts'
import { withTag } from '../../../src/containers/docker-images.ts'
import { isEngineFault, isUnreachable } from '../../../src/containers/engine-fault.ts'
import { systemClock } from '../../../src/runtime/system-clock.ts'
import {
  type DockerEngineHandle,
  dockerUnavailable,
  startDockerEngine,
} from '../../support/docker-engine.ts'
import { eventually } from '../../support/eventually.ts'
import { containerRequest } from './container-request.ts'
import { engineContract } from './engine-contract.ts'

const image = 'busybox:latest'
const unavailable = dockerUnavailable()

const connect = (socketPath: string, node = 'node-1'): DockerEngine =>
  new DockerEngine(
    { socketPath, cluster: 'cluster-1', node },
    { clock: systemClock, log: silentLog },
  )

describe('with a real dockerd', { skip: unavailable ?? false }, () => {
  let dockerd: DockerEngineHandle

  before(async () => {
    const dir = mkdtempSync(join(tmpdir(), 'meshd-dk-'))
    dockerd = await startDockerEngine({ name: 'contract', dir })
    await dockerd.importBusyboxImage(image)
  })
  after(() => dockerd.stop())

  engineContract('DockerEngine', () => {
    const engine = connect(dockerd.socket)
    return Promise.resolve({ engine, image, close: () => engine.close() })
  })

  test('what is not ours is neither seen nor touched', async (t) => {
    const engine = connect(dockerd.socket)
    const neighbour = connect(dockerd.socket, 'node-2')
    t.after(async () => Promise.all([engine.close(), neighbour.close()]))
    const foreign = dockerd.docker('run', '-d', '--name', 'foreign', image, 'sleep', '60')
    const request = containerRequest('n1', { name: 'x.1.n1', image, args: ['sleep', '60'] })
    const { id: other } = await neighbour.create(request)
    await neighbour.start(other)

    for (const id of [foreign, other]) {
      assert.equal(await engine.inspect(id), null)
      await engine.stop(id, { signal: 'SIGKILL', graceMs: 0 })
      await engine.remove(id)
      await assert.rejects(engine.start(id), /no such container/)
    }
    const listed = (await engine.list()).map(({ id }) => id)
    assert.ok(!listed.includes(foreign) && !listed.includes(other))
    await assert.rejects(engine.create({ ...request, name: 'foreign' }), isEngineFault)
    assert.equal(dockerd.docker('ps', '-q', '--no-trunc').split('\n').length, 2)
    await neighbour.remove(other)
    dockerd.docker('rm', '-f', foreign)
  })

  test('a missing image that nobody gives us is a fault that names it', async (t) => {
    const engine = connect(dockerd.socket)
    t.after(() => engine.close())
    const missing = '127.0.0.1:9/no/such:1'
    await assert.rejects(engine.create(containerRequest('m1', { image: missing })), (error) => {
      assert.ok(isEngineFault(error))
      assert.equal(error.fault.code, 'engine/registry-silent')
      return error.fault.because.includes(missing)
    })
  })

  test('what this Docker would ignore is refused by name', async (t) => {
    const engine = connect(dockerd.socket)
    t.after(() => engine.close())
    const [, minor = ''] = dockerd.docker('version', '-f', '{{.Server.APIVersion}}').split('.')
    const Mounts = [
      { Type: 'volume', Target: '/x', VolumeOptions: { Subpath: 'a' }, Source: 'v' },
    ] as const
    const made = engine.create(containerRequest('v1', { image, settings: { Mounts } }))
    if (Number(minor) >= 45) return engine.remove((await made).id)
    await assert.rejects(made, (error) => {
      assert.ok(isEngineFault(error))
      return error.fault.because.startsWith("Mounts.Subpath needs Docker's API 1.45: Docker")
    })
  })

  test('labels, limits and name are as docker ps and inspect show them', async (t) => {
    const engine = connect(dockerd.socket)
    t.after(() => engine.close())
    const labels = { 'com.docker.swarm.service.name': 'web' }
    const limits = { nanoCpus: 5e8, memoryBytes: 64 * 1024 * 1024 }
    const request = containerRequest('l1', { image, args: ['sleep', '60'], labels, ...limits })
    const { id } = await engine.create(request)
    const format = [
      '{{.Name}} {{.HostConfig.NanoCpus}} {{.HostConfig.Memory}}',
      '{{.HostConfig.RestartPolicy.Name}} {{json .Config.Labels}}',
    ].join(' ')
    const [name, cpus, memory, restart, json = ''] = dockerd
      .docker('inspect', '-f', format, id)
      .split(' ')
    assert.deepEqual([name, cpus, memory, restart], ['/web.1.l1', '500000000', '67108864', 'no'])
    const shown = JSON.parse(json) as Record<string, string>
    assert.equal(shown['mesh.cluster'], 'cluster-1')
    assert.equal(shown['mesh.task'], 'l1')
    assert.equal(shown['com.docker.swarm.service.name'], 'web')
    await engine.remove(id)
  })

  test('events go on after the engine was restarted, and what ended meanwhile is told', async (t) => {
    const engine = connect(dockerd.socket)
    t.after(() => engine.close())
    const heard: string[] = []
    engine.watch((id) => heard.push(id))
    const { id } = await engine.create(
      containerRequest('e1', { name: 'e.1.e1', image, args: ['sleep', '60'] }),
    )
    await engine.start(id)
    await dockerd.kill()
    await assert.rejects(engine.describe(), isUnreachable)
    heard.length = 0
    await dockerd.restart()
    await eventually(() => assert.ok(heard.includes(id)))
    await eventually(async () => assert.equal((await engine.inspect(id))?.running, false))
    await engine.remove(id)
    assert.equal(await engine.inspect(id), null)
  })
})

test('an engine that accepts but does not answer is unreachable, in time', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'meshd-dk-'))
  const socket = join(dir, 's')
  const server = createServer(() => {})
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  // A hundred times faster than the real one.
  const hurried = {
    ...systemClock,
    after: (ms: number, action: () => void) => systemClock.after(ms / 100, action),
  }
  const engine = new DockerEngine(
    { socketPath: socket, cluster: 'c', node: 'n' },
    { clock: hurried, log: silentLog },
  )
  t.after(async () => {
    await engine.close()
    server.closeAllConnections()
    server.close()
    rmSync(dir, { recursive: true })
  })
  await assert.rejects(engine.describe(), isUnreachable)
  await assert.rejects(engine.list(), isUnreachable)
})

test('an image without a tag is its latest, as docker means it', () => {
  assert.equal(withTag('nginx'), 'nginx:latest')
  assert.equal(withTag('host:5000/a/b'), 'host:5000/a/b:latest')
  assert.equal(withTag('a/b:1'), 'a/b:1')
  assert.equal(withTag('a@sha256:00'), 'a@sha256:00')
})
