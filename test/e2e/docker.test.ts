import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Cluster, eventually, type Daemon } from '../support/daemon.ts'
import {
  dockerUnavailable,
  startDockerEngine,
  type DockerEngineHandle,
} from '../support/docker-engine.ts'
import { get, isRefused } from '../support/http.ts'
import { lines, runningTasks } from '../support/meshctl.ts'

const reason = dockerUnavailable()
const port = 18080
const url = (daemon: Daemon): string => `http://${daemon.address}:${port}/`

describe('three managers with a real engine', { skip: reason ?? false }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'mde-'))
  let engine: DockerEngineHandle
  let cluster: Cluster
  let nodes: Daemon[] = []
  let follower: Daemon
  let bystander = ''

  before(async () => {
    engine = await startDockerEngine({ name: 'e2e', dir })
    await engine.importBusyboxImage('busybox:latest')
    bystander = engine.docker('run', '-d', '--name', 'bystander', 'busybox', 'sleep', '600').trim()
    cluster = new Cluster('127.0.26', { runtime: 'docker', dockerSocket: engine.socket })
    nodes = await cluster.startManagers(3)
    const rows = await lines(
      nodes[0] as Daemon,
      'node',
      'ls',
      '--format',
      '{{.Hostname}} {{.ManagerStatus}}',
    )
    const leader = rows.find((row) => row.endsWith(' Leader'))?.split(' ')[0]
    follower = nodes.find((node) => node.options.name !== leader) as Daemon
  })
  after(async () => {
    await cluster?.[Symbol.asyncDispose]()
    await engine?.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  /** Our tasks' containers as the engine itself lists them. */
  const containers = (service: string): string[] =>
    engine
      .docker(
        'ps',
        '-q',
        '--no-trunc',
        '--filter',
        `label=com.docker.swarm.service.name=${service}`,
      )
      .split('\n')
      .filter((id) => id !== '')

  async function docker(...words: string[]): Promise<string> {
    const { code, stdout, stderr } = await follower.docker(...words)
    assert.equal(code, 0, `docker ${words.join(' ')}: ${stderr}`)
    return stdout
  }

  test('the docker CLI sees the cluster through a follower', async () => {
    assert.match(await docker('info'), /Swarm: active[\s\S]*Managers: 3\s+Nodes: 3/)
    const listed = await docker(
      'node',
      'ls',
      '--format',
      '{{.Hostname}} {{.Status}} {{.ManagerStatus}}',
    )
    assert.equal(listed.trim().split('\n').length, 3)
    assert.match(listed, /Ready Leader/)
    const inspected = JSON.parse(await docker('node', 'inspect', 'self')) as [
      { readonly Spec: { readonly Role: string } },
    ]
    assert.equal(inspected[0].Spec.Role, 'manager')
  })

  test('the docker CLI creates a service, and its port reaches the containers from every node', async () => {
    const command = ['httpd', '-f', '-p', '80', '-h', '/etc']
    const publish = ['--replicas', '3', '--publish', `${port}:80`]
    await docker(
      'service',
      'create',
      '--name',
      'web',
      '--env',
      'A=b',
      ...publish,
      'busybox',
      ...command,
    )
    assert.match(await docker('service', 'ls'), /web\s+replicated\s+3\/3\s+busybox/)
    assert.equal((await docker('service', 'ps', '-q', 'web')).trim().split('\n').length, 3)
    assert.match(
      await docker('service', 'inspect', '--pretty', 'web'),
      /Name:\s+web[\s\S]*PublishedPort = 18080/,
    )
    for (const node of nodes) {
      const { status } = await get(`${url(node)}hostname`)
      assert.equal(status, 200)
    }
    const running = containers('web')
    assert.equal(running.length, 3)
    const labels = engine.docker(
      'inspect',
      '--format',
      '{{json .Config.Labels}}',
      running[0] as string,
    )
    for (const label of ['mesh.cluster', 'mesh.node', 'mesh.task'])
      assert.ok(labels.includes(label))
    assert.match(await docker('node', 'ps', 'self'), /web\.\d/)
  })

  test('a container removed by hand is replaced', async () => {
    const [victim] = containers('web') as [string]
    engine.docker('rm', '-f', victim)
    await eventually('three others run', 30_000, async () => {
      const now = containers('web')
      return (
        now.length === 3 && !now.includes(victim) && (await runningTasks(follower, 'web')) === 3
      )
    })
  })

  test('containers outlive a killed daemon, and are taken over as they are', async () => {
    // The daemon alone: with its ingress gone as well the node is dead after two seconds, and
    // whether its task is placed elsewhere depends on how fast this machine starts a process.
    const before = containers('web').toSorted()
    await follower.killDaemon()
    follower.start()
    await eventually('three run, as before', 30_000, async () => {
      return (await runningTasks(follower, 'web')) === 3
    })
    assert.deepEqual(containers('web').toSorted(), before)
    await eventually(
      'it answers again',
      10_000,
      async () => (await get(`${url(follower)}hostname`)).status === 200,
    )
  })

  test('the docker CLI scales and removes', async () => {
    await docker('service', 'scale', 'web=5')
    assert.equal(containers('web').length, 5)
    await docker('service', 'rm', 'web')
    await eventually('nothing of it is left', 30_000, () => containers('web').length === 0)
    await eventually('its port is closed', 2000, () => isRefused(url(follower)))
  })

  test('the built-in whoami runs as a container, made from the checkout', async () => {
    const created = await follower.meshctl(
      ...['service', 'create', '--name', 'who', '--replicas', '2', '--publish', `${port}:80`],
      ...['--label', `mesh.ingress.${port}.proxy-protocol=v2`, 'meshd/whoami'],
    )
    assert.equal(created.code, 0, created.stderr)
    const { facts } = await get(url(follower))
    assert.match(facts['client'] ?? '', /^127\.\d+\.\d+\.\d+:\d+$/)
    assert.equal((await follower.meshctl('service', 'rm', 'who')).code, 0)
  })

  test('a container that is not ours was never touched', () => {
    const state = engine.docker(
      'inspect',
      '--format',
      '{{.State.Running}} {{.RestartCount}}',
      bystander,
    )
    assert.equal(state.trim(), 'true 0')
  })
})
