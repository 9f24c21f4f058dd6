import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Cluster, eventually, isUp, sleep, type Daemon } from '../support/daemon.ts'
import { get } from '../support/http.ts'
import { lines, runningTasks } from '../support/meshctl.ts'

const port = 18080
const url = (daemon: Daemon): string => `http://${daemon.address}:${port}/`

async function leaderOf(nodes: readonly Daemon[]): Promise<Daemon> {
  const [asked] = nodes
  const rows = await lines(
    asked as Daemon,
    'node',
    'ls',
    '--format',
    '{{.Hostname}} {{.ManagerStatus}}',
  )
  const name = rows.find((row) => row.endsWith(' Leader'))?.split(' ')[0]
  const leader = nodes.find((node) => node.options.name === name)
  assert.ok(leader !== undefined, `no leader among ${rows.join(', ')}`)
  return leader
}

async function createWeb(node: Daemon, replicas: number): Promise<void> {
  const created = await node.meshctl(
    ...['service', 'create', '--name', 'web', '--replicas', String(replicas)],
    ...['--publish', `${port}:80`, 'meshd/whoami'],
  )
  assert.equal(created.code, 0, created.stderr)
}

interface Shot {
  readonly atMs: number
  readonly error: string | null
}

/** One request every 20 ms, each on its own connection, to the given nodes in turn. */
async function shootFor(nodes: readonly Daemon[], durationMs: number): Promise<Shot[]> {
  const startedMs = performance.now()
  const shots: Promise<Shot>[] = []
  while (performance.now() - startedMs < durationMs) {
    const atMs = performance.now() - startedMs
    const target = url(nodes[shots.length % nodes.length] as Daemon)
    shots.push(
      get(target).then(
        ({ status }) => ({ atMs, error: status === 200 ? null : `status ${status}` }),
        (error: unknown) => ({ atMs, error: String(error) }),
      ),
    )
    await sleep(20)
  }
  return Promise.all(shots)
}

test('a killed node costs no request after three seconds, and its tasks run elsewhere', async () => {
  await using cluster = new Cluster('127.0.22')
  const nodes = await cluster.startManagers(3)
  await createWeb(nodes[0] as Daemon, 6)
  const leader = await leaderOf(nodes)
  const victim = nodes.findLast((node) => node !== leader) as Daemon
  const others = nodes.filter((node) => node !== victim)

  const shooting = shootFor(others, 12_000)
  await sleep(2000)
  const killedMs = 2000
  await victim.killNode()
  await eventually('six tasks run on the others', 8000, async () => {
    const filter = ['--filter', 'desired-state=running', '--format', '{{.Node}} {{.CurrentState}}']
    const rows = await lines(others[0] as Daemon, 'service', 'ps', 'web', ...filter)
    const moved = rows.filter((row) => !row.startsWith(`${victim.options.name} `))
    return moved.filter((row) => row.includes('Running')).length === 6
  })
  const shots = await shooting
  assert.ok(shots.length >= 300, `only ${shots.length} requests were made`)
  assert.deepEqual(
    shots.filter(({ atMs, error }) => error !== null && atMs < killedMs),
    [],
  )
  const late = shots.filter(({ atMs, error }) => error !== null && atMs > killedMs + 3000)
  assert.deepEqual(late, [])
})

test('a killed leader is followed within three seconds, and no acknowledged write is lost', async () => {
  await using cluster = new Cluster('127.0.23')
  const nodes = await cluster.startManagers(3)
  const leader = await leaderOf(nodes)
  const others = nodes.filter((node) => node !== leader)
  const [asked] = others as [Daemon]
  const create = (name: string): Promise<{ code: number; stderr: string }> =>
    asked.meshctl(
      'service',
      'create',
      '--detach',
      '--name',
      name,
      '--replicas',
      '0',
      'meshd/whoami',
    )

  const acknowledged: string[] = []
  for (let number = 0; number < 5; number++) {
    if ((await create(`before${number}`)).code === 0) acknowledged.push(`before${number}`)
  }
  assert.equal(acknowledged.length, 5)
  await leader.killNode()
  const killedMs = performance.now()
  let attempt = 0
  await eventually('a write is accepted', 3000, async () => {
    attempt++
    const { code } = await create(`after${attempt}`)
    if (code === 0) acknowledged.push(`after${attempt}`)
    return code === 0
  })
  assert.ok(performance.now() - killedMs < 6000)

  leader.start()
  await isUp(leader)
  for (const node of nodes) {
    await eventually(`${node.options.name} has every acknowledged write`, 10_000, async () => {
      const names = await lines(node, 'service', 'ls', '--format', '{{.Name}}')
      return acknowledged.every((name) => names.includes(name))
    })
  }
})

test('a task that dies is replaced, and a second daemon on one data directory is refused', async () => {
  await using cluster = new Cluster('127.0.24')
  const [node] = (await cluster.startManagers(1)) as [Daemon]
  await createWeb(node, 1)
  const { facts } = await get(url(node))
  const second = cluster.add({ dir: node.options.dir, flags: ['--port', '23770'] })
  second.start()
  await second.exited()
  assert.match(second.log(), /another meshd runs on this data directory/)

  const scaled = await node.meshctl('service', 'scale', 'web=2')
  assert.equal(scaled.code, 0, scaled.stderr)
  assert.equal(await runningTasks(node, 'web'), 2)
  assert.notEqual(facts['task'], undefined)
})
