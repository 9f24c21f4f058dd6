import assert from 'node:assert/strict'
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Cluster, eventually, type Daemon } from '../support/daemon.ts'
import { lines } from '../support/meshctl.ts'

const isMissing = spawnSync('docker', ['--version']).error !== undefined
const root = join(import.meta.dirname, '../..')

/** Each task says who it is, then counts. */
const script =
  'echo "start $MESH_SLOT"; echo "err $MESH_SLOT" >&2; n=0; while :; do n=$((n+1)); echo "tick $MESH_SLOT $n"; sleep 0.2; done'

const startLines = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => line.includes('start'))
    .toSorted()

const events = async (node: Daemon, ...flags: string[]): Promise<string[]> =>
  lines(node, 'events', '--since', '1h', '--until', '0s', ...flags)

describe('logs and events of three managers', () => {
  const cluster = new Cluster('127.0.42')
  let nodes: Daemon[] = []
  let follower: ChildProcess | null = null
  const at = (number: number): Daemon => nodes[number] as Daemon

  before(async () => {
    nodes = await cluster.startManagers(3)
    const words = [
      'service',
      'create',
      '--name',
      'web',
      '--replicas',
      '3',
      'any',
      'sh',
      '-c',
      script,
    ]
    const created = await at(0).meshctl(...words)
    assert.equal(created.code, 0, created.stderr)
  })
  after(async () => {
    follower?.kill('SIGKILL')
    await cluster[Symbol.asyncDispose]()
  })

  test('every node shows what all tasks printed, in order of time', async () => {
    for (const node of nodes) {
      const words = ['service', 'logs', '--timestamps', '--raw', 'web']
      const { code, stdout, stderr } = await node.meshctl(...words)
      assert.equal(code, 0, stderr)
      for (const slot of [1, 2, 3]) {
        assert.match(stdout, new RegExp(`Z start ${slot}\n`))
        assert.match(stderr, new RegExp(`Z err ${slot}\n`))
      }
      const times = stdout
        .split('\n')
        .slice(0, -1)
        .map((line) => line.slice(0, 30))
      assert.deepEqual(times, times.toSorted())
    }
  })

  test("lines are named as docker's own CLI names them", { skip: isMissing }, async () => {
    const ours = await at(1).meshctl('service', 'logs', 'web')
    const docker = await at(1).docker('service', 'logs', 'web')
    assert.equal(docker.code, 0, docker.stderr)
    assert.equal(startLines(docker.stdout).length, 3)
    assert.deepEqual(startLines(ours.stdout), startLines(docker.stdout))
    assert.match(ours.stdout, /^web\.1\.[0-9a-z]{12}@n\d {4}\| start 1$/m)
    const [task = ''] = await lines(at(1), 'service', 'ps', '-q', '--no-trunc', 'web')
    for (const flags of [['--details'], ['-t', '--tail', '1'], ['--no-task-ids', '--no-resolve']]) {
      const shown = await at(1).docker('service', 'logs', ...flags, task)
      assert.equal(shown.code, 0, shown.stderr)
      assert.match(shown.stdout, /tick \d \d+\n/)
    }
  })

  test('a stream goes on with tasks that start later, and names a node that was killed', async () => {
    let out = ''
    let err = ''
    const meshctl = join(root, 'bin/meshctl')
    const words = [
      '-H',
      `unix://${at(0).socketPath}`,
      'service',
      'logs',
      '-f',
      '--tail',
      '2',
      'web',
    ]
    follower = spawn(meshctl, words, { stdio: ['ignore', 'pipe', 'pipe'] })
    follower.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()))
    follower.stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()))
    const shows = (what: string): Promise<void> =>
      eventually(`it shows ${what}`, 20_000, () => new RegExp(what, 'm').test(out))
    for (const node of ['n1', 'n2', 'n3']) await shows(`@${node} .*tick`)
    const scaled = await at(0).meshctl('service', 'scale', '--detach', 'web=4')
    assert.equal(scaled.code, 0, scaled.stderr)
    await shows('start 4$')

    await at(2).killNode()
    await eventually('the killed node is named', 20_000, () =>
      err.includes('meshd: node n3 cannot be reached: its log lines are missing'),
    )
    const length = out.length
    await eventually('the others go on', 5_000, () => out.length > length)
    await eventually('its tasks start elsewhere, and join', 40_000, () =>
      [1, 2, 3, 4].every((slot) => {
        const places = out.matchAll(new RegExp(`^web\\.${slot}\\.\\w+@(n[12]) `, 'gm'))
        return [...places].length > 0
      }),
    )
    const seen = out.split('\n').filter((line) => / tick /.test(line))
    assert.equal(new Set(seen).size, seen.length, 'a line came twice')
    follower.kill('SIGTERM')

    const { code, stdout, stderr } = await at(1).meshctl('service', 'logs', '--raw', 'web')
    assert.equal(code, 0, stderr)
    assert.match(stderr, /^meshd: node n3 cannot be reached: its log lines are missing$/m)
    assert.match(stdout, /^start \d$/m)
  })

  test('what a task printed stays readable after its end', async () => {
    const words = ['--name', 'once', '--restart-condition', 'none', '--detach']
    const create = ['service', 'create', ...words, 'any', 'sh', '-c', 'echo last words; exit 3']
    assert.equal((await at(0).meshctl(...create)).code, 0)
    await eventually('it has ended', 20_000, async () => {
      const ended = await lines(at(0), 'service', 'ps', 'once', '--format', '{{.CurrentState}}')
      return ended[0]?.startsWith('Failed') === true
    })
    const { stdout } = await at(1).meshctl('service', 'logs', '--raw', 'once')
    assert.equal(stdout, 'last words\n')
  })

  test('events tell of services, tasks and nodes, also after a restart of the daemon', async () => {
    const ofService = ['--filter', 'type=service', '--filter', 'event=create']
    const created = await events(at(1), ...ofService)
    assert.equal(created.length, 2)
    const all = await events(at(1))
    assert.ok(all.some((line) => /task update .*state\.new=running/.test(line)))
    assert.ok(all.some((line) => /node update .*name=n3.*state\.new=down/.test(line)))
    assert.ok(all.some((line) => /task update .*name=once\.1\..*reason=.*exit \(3\)/.test(line)))
    assert.ok(all.some((line) => /replicas\.new=4, replicas\.old=3/.test(line)))

    await at(1).stop()
    at(1).start()
    await eventually('it tells the same again', 30_000, async () => {
      const again = await events(at(1), ...ofService)
      return again.length === 2 && again.every((line) => created.includes(line))
    })
    const docker = isMissing
      ? ''
      : (await at(1).docker('events', '--since', '1h', '--until', '0s')).stdout
    if (!isMissing) assert.match(docker, /service create \w{25} \(name=web\)/)
  })
})
