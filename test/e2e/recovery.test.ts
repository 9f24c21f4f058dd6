import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Cluster, eventually, isUp, joinLine, type Daemon } from '../support/daemon.ts'
import { get } from '../support/http.ts'

async function ok(daemon: Daemon, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await daemon.meshctl(...args)
  assert.equal(code, 0, `${args.join(' ')}: ${stderr}`)
  return stdout.trim()
}

const createWeb = (daemon: Daemon, ...flags: string[]): Promise<string> =>
  ok(daemon, 'service', 'create', '--name', 'web', ...flags, 'meshd/whoami')

const isManager = async (daemon: Daemon): Promise<boolean> =>
  (await ok(daemon, 'info', '--format', '{{.Swarm.ControlAvailable}}')) === 'true'

async function identityOf(daemon: Daemon): Promise<readonly string[]> {
  return [
    await ok(daemon, 'info', '--format', '{{.Swarm.NodeID}} {{.Swarm.Cluster.ID}}'),
    await ok(daemon, 'service', 'inspect', 'web', '--format', '{{.ID}}'),
    await ok(daemon, 'swarm', 'join-token', '-q', 'manager'),
    await ok(daemon, 'swarm', 'join-token', '-q', 'worker'),
  ]
}

test('one manager of three goes on alone, and is the same cluster to everybody', async () => {
  await using cluster = new Cluster('127.0.45')
  const [n1, n2, n3] = await cluster.startManagers(3)
  assert.ok(n1 !== undefined && n2 !== undefined && n3 !== undefined)
  const worker = await cluster.startNode('worker')
  await eventually('all vote', 15_000, async () => {
    const lines = await ok(n1, 'node', 'ls', '--format', '{{.ManagerStatus}}')
    return lines.match(/Leader|Reachable/g)?.length === 3
  })
  await createWeb(n1, '--replicas', '2', '-p', '8080:80')
  const before = await identityOf(n1)
  await Promise.all([n2.killNode(), n3.killNode()])
  await n1.stop()

  n1.start(undefined, ['--force-new-cluster'])
  await isUp(n1)
  await eventually('it leads alone', 15_000, async () => {
    const { code, stdout } = await n1.meshctl('node', 'ls', '--format', '{{.ManagerStatus}}')
    return code === 0 && stdout.replaceAll('\n', '') === 'Leader'
  })
  assert.deepEqual(await identityOf(n1), before, 'ids and tokens stay')
  await ok(n1, 'service', 'scale', '--detach', 'web=3')
  await eventually('the worker follows', 20_000, async () => {
    const { status } = await get(`http://${worker.address}:8080/`)
    const lines = await ok(n1, 'node', 'ls', '--format', '{{.Hostname}} {{.Status}}')
    return status === 200 && /n4 Ready/.test(lines)
  })

  const n5 = cluster.add()
  n5.start(await joinLine(n1, 'manager'))
  await isUp(n5)
  await eventually('a new manager takes part', 15_000, () => isManager(n5))

  // A majority of the old cluster, at once: they would agree with each other.
  n2.start()
  n3.start()
  for (const lost of [n2, n3]) {
    await eventually('a lost manager comes back as a worker', 60_000, async () => {
      return lost.isRunning && !(await isManager(lost))
    })
  }
  assert.match(n2.log(), /meshctl node promote n2/)
  await ok(n1, 'node', 'promote', 'n2')
  await eventually('and becomes a manager again', 20_000, () => isManager(n2))

  // Started again without the flag, it is a member like any other.
  await n1.stop()
  n1.start()
  await isUp(n1)
  await eventually('three managers agree', 20_000, async () => {
    const { code, stdout } = await n1.meshctl('node', 'ls', '--format', '{{.ManagerStatus}}')
    return code === 0 && stdout.match(/Leader|Reachable/g)?.length === 3
  })
})

test('only a manager with a state goes on alone', async () => {
  await using cluster = new Cluster('127.0.45')
  const daemon = cluster.add()
  daemon.start(undefined, ['--force-new-cluster'])
  await daemon.exited()
  assert.equal(daemon.exitCode, 1)
  assert.match(daemon.log(), /no cluster here to go on with/)
})

test('a snapshot brings back what was removed and changed, and refuses what is not whole', async () => {
  await using cluster = new Cluster('127.0.45')
  const n1 = await cluster.startNode('manager')
  await createWeb(n1, '--replicas', '2', '-p', '8080:80')
  await ok(n1, 'node', 'update', '--label-add', 'zone=a', 'n1')
  const before = await identityOf(n1)
  const file = join(cluster.dir, 'cluster.snapshot')
  const saved = await n1.meshctl('cluster', 'snapshot', 'save', file)
  assert.equal(saved.code, 0, saved.stderr)
  assert.match(saved.stderr, /every secret of the cluster/)
  assert.equal(statSync(file).mode & 0o777, 0o600)

  await ok(n1, 'service', 'rm', 'web')
  await ok(n1, 'swarm', 'join-token', '-q', '--rotate', 'worker')
  await ok(n1, 'node', 'update', '--label-rm', 'zone', 'n1')
  // Another service has taken the name and the port since.
  await createWeb(n1, '-p', '8080:80')
  const damaged = join(cluster.dir, 'damaged.snapshot')
  const bytes = readFileSync(file)
  bytes[bytes.length - 10] = (bytes[bytes.length - 10] ?? 0) ^ 1
  writeFileSync(damaged, bytes)
  const refused = await n1.meshctl('cluster', 'snapshot', 'restore', damaged)
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /damaged/)

  assert.match(
    await ok(n1, 'cluster', 'snapshot', 'restore', file),
    /1 created, 2 changed, 1 removed/,
  )
  assert.deepEqual(await identityOf(n1), before)
  assert.equal(await ok(n1, 'node', 'inspect', 'n1', '--format', '{{.Spec.Labels.zone}}'), 'a')
  await eventually('its tasks run and its port answers', 20_000, async () => {
    const states = await ok(n1, 'service', 'ps', 'web', '--format', '{{.CurrentState}}')
    const { status } = await get(`http://${n1.address}:8080/`)
    return status === 200 && states.match(/^Running/gm)?.length === 2
  })
  assert.match(await ok(n1, 'cluster', 'snapshot', 'restore', file), /0 created, 0 changed, 0 rem/)

  const other = cluster.add({ name: 'other' })
  other.start()
  await isUp(other)
  const foreign = await other.meshctl('cluster', 'snapshot', 'restore', file)
  assert.equal(foreign.code, 4)
  assert.match(foreign.stderr, /another cluster[^]*--force/)
  await ok(other, 'cluster', 'snapshot', 'restore', '--force', file)
  assert.equal(await ok(other, 'service', 'inspect', 'web', '--format', '{{.ID}}'), before[1])
  const nodes = await ok(other, 'node', 'ls', '--format', '{{.Hostname}}')
  assert.equal(nodes, 'other', 'no member is invented')
  const again = await other.meshctl('cluster', 'snapshot', 'restore', '--force', file)
  assert.equal(again.code, 4, 'it is not empty any more')
})
