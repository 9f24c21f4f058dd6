import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ContainerStage } from '../support/container-stage.ts'
import { eventually } from '../support/daemon.ts'
import { dockerUnavailable } from '../support/docker-engine.ts'
import { get } from '../support/http.ts'
import { lines, runningTasks } from '../support/meshctl.ts'

const port = 18_191

describe('an engine that comes and goes', { skip: dockerUnavailable() ?? false }, () => {
  let stage: ContainerStage

  before(async () => {
    stage = await ContainerStage.open({ name: 'engine', block: '127.0.26', isAlone: true })
  })
  after(() => stage?.close())

  const saysSilent = async (): Promise<boolean> =>
    (await stage.node.meshctl('node', 'inspect', 'n1')).stdout.includes('does not answer')

  /** Whatever the engine has, ours or not. */
  const kept = (): string[] => [
    stage.engine.docker('ps', '-aq'),
    stage.engine.docker('volume', 'ls', '-q'),
    stage.engine.docker('network', 'ls', '-q'),
  ]

  test('nothing leaks, however often services come and go', async () => {
    const rounds = Number(process.env['MESH_LEAK_ROUNDS'] ?? 6)
    const before = kept()
    const mount = ['--mount', 'type=volume,target=/data']
    for (let round = 0; round < rounds; round++) {
      await stage.create(`leak${round}`, '--init', ...mount, 'busybox', 'sleep', '600')
      if (round % 2 === 0) await stage.runs(`leak${round}`)
      await stage.docker('service', 'rm', `leak${round}`)
    }
    await eventually('nothing is left', 60_000, () => {
      assert.deepEqual(kept(), before)
      return true
    })
    const services = await lines(stage.node, 'service', 'ls', '--format', '{{.Name}}')
    assert.ok(!services.some((name) => name.startsWith('leak')))
  })

  test('an engine that hangs gets no new tasks, keeps its routes, and is read anew', async () => {
    const httpd = ['busybox', 'httpd', '-f', '-h', '/etc']
    await stage.create('stay', '--publish', `${port}:80`, '--replicas', '2', ...httpd)
    await stage.runs('stay', 2)
    process.kill(stage.engine.pid, 'SIGSTOP')
    try {
      await eventually('its node shows it', 60_000, saysSilent)
      assert.equal((await get(`http://${stage.node.address}:${port}/hostname`)).status, 200)
      await stage.docker('service', 'scale', '-d', 'stay=3')
      await eventually('the third waits', 30_000, async () => {
        const rows = await lines(stage.node, 'service', 'ps', 'stay', '--no-trunc')
        return rows.some((row) => row.includes('container engine does not answer'))
      })
      assert.equal(await runningTasks(stage.node, 'stay'), 2)
    } finally {
      process.kill(stage.engine.pid, 'SIGCONT')
    }
    await stage.runs('stay', 3)
    await stage.gone('stay')
  })

  test('an engine that comes back with its containers finds them adopted', async () => {
    const httpd = ['busybox', 'httpd', '-f', '-h', '/etc']
    await stage.create('live', '--publish', `${port}:80`, '--replicas', '2', ...httpd)
    await stage.runs('live', 2)
    const before = stage.containers('live').map((id) => [id, stage.inspect(id).State.StartedAt])
    await stage.engine.kill()
    await eventually('its node shows it', 60_000, saysSilent)
    assert.equal((await get(`http://${stage.node.address}:${port}/hostname`)).status, 200)
    await stage.engine.restart('--live-restore')
    await eventually('its node is ready', 60_000, async () => !(await saysSilent()))
    await stage.docker('service', 'scale', '-d', 'live=3')
    await stage.runs('live', 3)
    const now = stage.containers('live').map((id) => [id, stage.inspect(id).State.StartedAt])
    for (const each of before) assert.ok(now.some(([id, at]) => id === each[0] && at === each[1]))
    await stage.gone('live')
  })

  test('an engine that crashes loses its containers, and they are replaced', async () => {
    await stage.create(
      'crash',
      '--replicas',
      '2',
      '--restart-delay',
      '100ms',
      'busybox',
      'sleep',
      '600',
    )
    await stage.runs('crash', 2)
    const before = stage.containers('crash')
    await stage.engine.kill()
    await stage.engine.restart()
    await eventually('others run', 60_000, () => {
      const now = stage.containers('crash')
      return now.length === 2 && !now.some((id) => before.includes(id))
    })
    await stage.runs('crash', 2)
    await stage.gone('crash')
  })
})
