import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Cluster, eventually, type Daemon, type Output } from '../support/daemon.ts'
import { get } from '../support/http.ts'
import { lines, runningTasks } from '../support/meshctl.ts'

const port = 18041
/** Tasks that say who they are for as long as they are asked; `exit 1` ends at once. */
const quick = ['--update-monitor', '1s', '--rollback-monitor', '1s', '--restart-delay', '500ms']

describe('a service that changes', () => {
  const cluster = new Cluster('127.0.41')
  const nodes: Daemon[] = []
  const first = (): Daemon => nodes[0] as Daemon
  const service = (...args: string[]): Promise<Output> => first().meshctl('service', ...args)

  const field = async (name: string, format: string): Promise<string> =>
    (await lines(first(), 'service', 'inspect', '-f', format, name))[0] ?? ''
  const stateOf = (name: string): Promise<string> => field(name, '{{.UpdateStatus.State}}')
  const idsOf = async (name: string): Promise<string[]> => {
    const filter = ['--filter', 'desired-state=running', '--format', '{{.ID}}']
    return (await lines(first(), 'service', 'ps', name, '--no-trunc', ...filter)).toSorted()
  }

  async function create(name: string, ...args: string[]): Promise<void> {
    const created = await service('create', '--name', name, ...quick, ...args)
    assert.equal(created.code, 0, created.stderr)
  }

  before(async () => {
    nodes.push(...(await cluster.startManagers(3)))
  })
  after(() => cluster[Symbol.asyncDispose]())

  test('an update replaces every task, start-first, while clients are served', async () => {
    const order = ['--update-order', 'start-first', '--update-parallelism', '1']
    await create('web', '--replicas', '3', ...order, '-p', `${port}:80`, 'meshd/whoami')
    const old = await idsOf('web')
    let asked = 0
    const failures: string[] = []
    let isOver = false
    const clients = (async () => {
      for (; !isOver; asked++) {
        const daemon = nodes[asked % nodes.length] as Daemon
        await get(`http://${daemon.address}:${port}/`).catch((error) =>
          failures.push(String(error)),
        )
      }
    })()
    const updated = await service('update', '--env-add', 'VERSION=2', 'web')
    isOver = true
    await clients
    assert.equal(updated.code, 0, updated.stderr)
    assert.match(updated.stdout, /service web converged/)
    assert.equal(await stateOf('web'), 'completed')
    const now = await idsOf('web')
    assert.equal(now.length, 3)
    assert.ok(now.every((id) => !old.includes(id)))
    assert.ok(asked > 10, `only ${asked} requests`)
    assert.deepEqual(failures, [])
  })

  test('what needs no other container restarts nothing', async () => {
    const before = await idsOf('web')
    const updated = await service(
      ...['update', '--label-add', 'a=b', '--update-delay', '1s', '--constraint-add'],
      ...['node.role==manager', '--publish-add', `${port + 1}:80`, '--restart-max-attempts', '9'],
      ...['--replicas', '4', 'web'],
    )
    assert.equal(updated.code, 0, updated.stderr)
    const now = await idsOf('web')
    assert.equal(now.length, 4)
    assert.ok(before.every((id) => now.includes(id)))
    await eventually('the new port answers', 5000, async () => {
      return (await get(`http://${first().address}:${port + 1}/`)).status === 200
    })
  })

  test('a failing update is rolled back and ends with 7, saying why', async () => {
    await create(
      'rolls',
      '--replicas',
      '2',
      '--update-failure-action',
      'rollback',
      'i',
      'sleep',
      '60',
    )
    const updated = await service('update', '--args', "sh -c 'exit 3'", 'rolls')
    assert.equal(updated.code, 7, updated.stdout + updated.stderr)
    assert.match(updated.stderr, /rolled back due to failure or early termination of task/)
    assert.equal(await stateOf('rolls'), 'rollback_completed')
    assert.equal(
      await field('rolls', '{{json .Spec.TaskTemplate.ContainerSpec.Args}}'),
      '["sleep","60"]',
    )
    assert.equal(await runningTasks(first(), 'rolls'), 2)
    const history = await service('ps', 'rolls')
    assert.match(history.stdout, / \\_ rolls\.\d .*Failed .*non-zero exit \(3\)/)
  })

  test('a failing update that pauses ends with 1; service rollback takes it back', async () => {
    await create('pauses', '--replicas', '2', 'i', 'sleep', '60')
    const updated = await service('update', '--args', "sh -c 'exit 3'", 'pauses')
    assert.equal(updated.code, 1, updated.stdout + updated.stderr)
    assert.match(updated.stderr, /update of service pauses is paused\nwhy: update paused due to/)
    assert.equal(await runningTasks(first(), 'pauses'), 1)
    const back = await service('rollback', 'pauses')
    assert.equal(back.code, 0, back.stderr)
    assert.equal(await stateOf('pauses'), 'rollback_completed')
    assert.equal(await runningTasks(first(), 'pauses'), 2)
  })

  test('an update that makes no progress is rolled back at its deadline', async () => {
    const labels = ['--label', 'mesh.update.deadline=2s']
    await create('stuck', ...labels, '--update-failure-action', 'rollback', 'i', 'sleep', '60')
    const updated = await service('update', '--constraint-add', 'node.labels.no==where', 'stuck')
    assert.equal(updated.code, 7, updated.stdout + updated.stderr)
    assert.match(updated.stderr, /constraint node\.labels\.no==where not satisfied on 3 nodes/)
    assert.equal(await runningTasks(first(), 'stuck'), 1)
  })

  test('what waits for a node says so in ps, in inspect and at the end of the waiting', async () => {
    const args = ['--name', 'nowhere', '--constraint', 'node.labels.no==where', '--timeout', '3s']
    const created = await service('create', ...args, 'meshd/whoami')
    assert.equal(created.code, 6)
    const why = / \* 3 nodes: constraint node\.labels\.no==where not satisfied\n hint: /
    assert.match((await service('ps', 'nowhere')).stderr, why)
    assert.match((await service('inspect', '--pretty', 'nowhere')).stdout, why)
    await first().meshctl('node', 'update', '--label-add', 'no=where', 'n2')
    await eventually('it runs', 10_000, async () => (await runningTasks(first(), 'nowhere')) === 1)
    await first().meshctl('node', 'update', '--label-rm', 'no', 'n2')
    await eventually('its task is rejected', 15_000, async () => {
      const { stdout } = await service('ps', '--no-trunc', 'nowhere')
      return /Rejected .*assigned node no longer meets constraints/.test(stdout)
    })
  })

  test('a new leader goes on with the update where the old one was', async () => {
    const order = ['--update-parallelism', '1', '--update-delay', '1s']
    await create('goes-on', '--replicas', '4', ...order, 'i', 'sleep', '60')
    const started = await service('update', '-d', '--env-add', 'VERSION=2', 'goes-on')
    assert.equal(started.code, 0, started.stderr)
    const roles = await lines(first(), 'node', 'ls', '--format', '{{.Hostname}} {{.ManagerStatus}}')
    const leader = roles.find((row) => row.endsWith('Leader'))?.split(' ')[0]
    const leading = nodes.find((node) => node.options.name === leader) as Daemon
    await leading.killNode()
    const other = nodes.find((node) => node !== leading) as Daemon
    await eventually('the update is completed', 60_000, async () => {
      const state = ['service', 'inspect', '-f', '{{.UpdateStatus.State}}', 'goes-on']
      return (await lines(other, ...state))[0] === 'completed'
    })
    assert.equal(await runningTasks(other, 'goes-on'), 4)
    leading.start()
  })
})

test("docker's own CLI updates, fails, forces and rolls back", async () => {
  await using cluster = new Cluster('127.0.41')
  const daemon = await cluster.startNode('manager')
  const docker = async (...args: string[]): Promise<Output> => {
    const ran = await daemon.docker('service', ...args)
    assert.equal(ran.code, 0, `docker service ${args.join(' ')}: ${ran.stderr}`)
    return ran
  }
  const inspect = async (format: string): Promise<string> =>
    (await docker('inspect', '--format', format, 'web')).stdout.trim()
  const create = ['create', '--quiet', '--no-resolve-image', '--name', 'web', '--replicas', '2']
  const failing = ['--update-failure-action', 'rollback', '--restart-delay', '500ms']
  await docker(...create, ...quick.slice(0, 4), ...failing, 'i', 'sleep', '60')
  const update = ['update', '--quiet', '--no-resolve-image']
  await docker(...update, '--env-add', 'VERSION=2', 'web')
  assert.equal(await inspect('{{.UpdateStatus.State}}'), 'completed')
  assert.equal(await inspect('{{.Spec.TaskTemplate.ContainerSpec.Env}}'), '[VERSION=2]')
  await docker(...update, '--force', 'web')
  assert.equal(await inspect('{{.UpdateStatus.State}}'), 'completed')
  await docker('rollback', '--quiet', 'web')
  assert.equal(await inspect('{{.UpdateStatus.State}}'), 'rollback_completed')
  await docker(...update, '--args', "sh -c 'exit 1'", 'web')
  assert.equal(await inspect('{{.UpdateStatus.State}}'), 'rollback_completed')
  assert.match((await docker('inspect', '--pretty', 'web')).stdout, /rolled back due to failure/)
  assert.equal(await runningTasks(daemon, 'web'), 2)
})
