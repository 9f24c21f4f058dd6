import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Cluster, eventually, isUp, joinLine, type Daemon } from '../support/daemon.ts'
import { get, isRefused } from '../support/http.ts'
import { lines, runningTasks } from '../support/meshctl.ts'

const port = 18080
const url = (daemon: Daemon): string => `http://${daemon.address}:${port}/`

/** The same text with another character at one place. */
const swap = (text: string, at: number): string =>
  text.slice(0, at) + (text[at] === 'a' ? 'b' : 'a') + text.slice(at + 1)

describe('three managers and a worker', () => {
  const cluster = new Cluster('127.0.20')
  const nodes: Daemon[] = []
  const first = (): Daemon => nodes[0] as Daemon

  before(async () => {
    nodes.push(...(await cluster.startManagers(3)))
  })
  after(() => cluster[Symbol.asyncDispose]())

  test('every node lists three members and one leader', async () => {
    for (const node of nodes) {
      await eventually(`${node.options.name} sees three ready nodes`, 10_000, async () => {
        const rows = await lines(node, 'node', 'ls', '--format', '{{.Status}} {{.ManagerStatus}}')
        return rows.length === 3 && rows.every((row) => row.startsWith('Ready '))
      })
      const rows = await lines(node, 'node', 'ls', '--format', '{{.ManagerStatus}}')
      assert.deepEqual(rows.toSorted(), ['Leader', 'Reachable', 'Reachable'])
    }
  })

  test('a service answers on every node within a second of its first task', async () => {
    const created = await first().meshctl(
      ...['service', 'create', '--name', 'web', '--replicas', '5', '--detach'],
      ...['--publish', `${port}:80`, 'meshd/whoami'],
    )
    assert.equal(created.code, 0, created.stderr)
    await eventually('a task runs', 20_000, async () => (await runningTasks(first(), 'web')) >= 1)
    const deadline = performance.now() + 1000
    for (const node of nodes) {
      await eventually(`${node.options.name} answers`, deadline - performance.now(), async () => {
        return (await get(url(node))).status === 200
      })
    }
    await eventually('five run', 20_000, async () => (await runningTasks(first(), 'web')) === 5)
  })

  test('forty requests to one node reach at least four of five tasks', async () => {
    const seen = new Set<string>()
    for (let asked = 0; asked < 40; asked++) {
      const { status, facts } = await get(url(first()))
      assert.equal(status, 200)
      seen.add(facts['task'] ?? '')
    }
    assert.ok(seen.size >= 4, `only ${seen.size} tasks answered`)
  })

  test('a worker runs tasks, answers on published ports and names the managers', async () => {
    const worker = await cluster.startNode('worker')
    await eventually('four nodes are ready', 10_000, async () => {
      const rows = await lines(first(), 'node', 'ls', '--format', '{{.Status}}')
      return rows.length === 4 && rows.every((row) => row === 'Ready')
    })
    await eventually(
      'the worker answers',
      5000,
      async () => (await get(url(worker))).status === 200,
    )

    const scaled = await first().meshctl('service', 'scale', 'web=8')
    assert.equal(scaled.code, 0, scaled.stderr)
    const where = await lines(
      first(),
      ...['service', 'ps', 'web', '--filter', 'desired-state=running', '--format', '{{.Node}}'],
    )
    assert.ok(where.includes(worker.options.name), `no task on the worker: ${where.join(' ')}`)

    const refused = await worker.meshctl('service', 'create', '--name', 'no', 'meshd/whoami')
    assert.notEqual(refused.code, 0)
    for (const node of nodes) assert.match(refused.stderr, new RegExp(node.address))
  })

  test('a wrong, a tampered and a foreign token are refused with the reason', async () => {
    const line = await joinLine(first(), 'worker')
    const [token = '', address = ''] = line.split('@')
    const cases = [
      { token: token.slice(0, -3), reason: /characters/ },
      { token: swap(token, token.length - 1), reason: /not valid/ },
      { token: swap(token, 12), reason: /another cluster/ },
    ]
    for (const { token: bad, reason } of cases) {
      const daemon = cluster.add()
      daemon.start(`${bad}@${address}`)
      await daemon.exited()
      assert.match(daemon.log(), reason)
      assert.ok(!daemon.log().includes(bad.slice(-25)), 'a secret is in the log')
    }
  })

  test('a removed service is closed everywhere within two seconds', async () => {
    const removed = await first().meshctl('service', 'rm', 'web')
    assert.equal(removed.code, 0, removed.stderr)
    await eventually('the port is closed on every node', 2000, async () => {
      const refusals = await Promise.all(nodes.map((node) => isRefused(url(node))))
      return refusals.every(Boolean)
    })
  })
})

test('everything killed at once comes back as it was', async () => {
  await using cluster = new Cluster('127.0.21')
  const nodes = await cluster.startManagers(3)
  const first = nodes[0] as Daemon
  const created = await first.meshctl(
    ...['service', 'create', '--name', 'web', '--replicas', '4'],
    ...['--publish', `${port}:80`, 'meshd/whoami'],
  )
  assert.equal(created.code, 0, created.stderr)
  const idsBefore = (await lines(first, 'node', 'ls', '-q')).toSorted()
  const tokenBefore = await joinLine(first, 'manager')

  await Promise.all(nodes.map((node) => node.killNode()))
  for (const node of nodes) node.start()
  for (const node of nodes) await isUp(node)

  await eventually('four tasks run again', 30_000, async () => {
    return (await runningTasks(first, 'web')) === 4
  })
  assert.deepEqual((await lines(first, 'node', 'ls', '-q')).toSorted(), idsBefore)
  assert.equal(await joinLine(first, 'manager'), tokenBefore)
  assert.deepEqual(await lines(first, 'service', 'ls', '--format', '{{.Name}}'), ['web'])
  for (const node of nodes) {
    await eventually('it answers', 5000, async () => (await get(url(node))).status === 200)
  }
})
