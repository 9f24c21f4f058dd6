import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { callApi } from '../support/api-server.ts'
import { Cluster, eventually, type Daemon } from '../support/daemon.ts'
import { get } from '../support/http.ts'

const port = 18053
const url = (daemon: Daemon): string => `http://${daemon.address}:${port}/`

interface Line {
  readonly Node: string
  readonly Port: string
  readonly Mode: string
  readonly Service: string
  readonly Tasks: string
  readonly Bound: string
  readonly Listening: string
  readonly Warnings: string
}

async function listIngress(daemon: Daemon): Promise<Line[]> {
  const { code, stdout, stderr } = await daemon.meshctl('ingress', 'ls', '--format', 'json')
  assert.equal(code, 0, stderr)
  const lines = stdout.split('\n').filter((line) => line !== '')
  return lines.map((line) => JSON.parse(line) as Line)
}

const lineOf = async (daemon: Daemon, node: string): Promise<Line | undefined> =>
  (await listIngress(daemon)).find((line) => line.Node === node)

async function scrape(daemon: Daemon): Promise<Map<string, number>> {
  const { status, text } = await callApi(daemon.socketPath, { method: 'GET', path: '/metrics' })
  assert.equal(status, 200)
  const series = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    series.map((line) => {
      const at = line.lastIndexOf(' ')
      return [line.slice(0, at), Number(line.slice(at + 1))]
    }),
  )
}

describe('what is seen of the ingress, on a manager and two workers', () => {
  const cluster = new Cluster('127.0.53')
  const nodes: Daemon[] = []
  const at = (index: number): Daemon => nodes[index] as Daemon
  let squatter: Server

  before(async () => {
    // Before the last worker wants it, another program has the port there.
    squatter = createServer((socket) => socket.destroy()).listen(port, '127.0.53.3')
    await cluster.startNode('manager')
    await cluster.startNode('worker', { flags: ['--metrics-addr', '127.0.53.2:9323'] })
    await cluster.startNode('worker')
    nodes.push(...cluster.daemons)
    const created = await at(0).meshctl(
      ...['service', 'create', '--name', 'web', '--replicas', '2', '--detach'],
      ...['--label', `mesh.ingress.${port}.protocol=http`, '--publish', `${port}:80`],
      ...['--label', `mesh.ingress.${port}.access-log=all`],
      'meshd/whoami',
    )
    assert.equal(created.code, 0, created.stderr)
    for (const node of [at(0), at(1)]) {
      await eventually(`${node.address} answers`, 20_000, async () => {
        return (await get(url(node))).status === 200
      })
    }
  })
  after(async () => {
    squatter.close()
    await cluster[Symbol.asyncDispose]()
  })

  test('every port on every node is listed, and one that another program has is warned of', async () => {
    await eventually('n3 warns', 30_000, async () => {
      return (await lineOf(at(0), 'n3'))?.Warnings === 'another program listens at 127.0.53.3'
    })
    await eventually('both tasks are ready', 30_000, async () => {
      return (await listIngress(at(0))).every(({ Tasks }) => Tasks === '2')
    })
    const told = (await listIngress(at(0))).map((line) => [
      ...[line.Node, line.Port, line.Mode, line.Service, line.Bound, line.Listening],
    ])
    assert.deepEqual(told, [
      ['n1', `${port}/tcp`, 'http', 'web', 'yes', '127.0.53.1'],
      ['n2', `${port}/tcp`, 'http', 'web', 'yes', '127.0.53.2'],
      ['n3', `${port}/tcp`, 'http', 'web', 'no', ''],
    ])
    squatter.close()
    await eventually('n3 has it', 30_000, async () => {
      const line = await lineOf(at(0), 'n3')
      return line?.Bound === 'yes' && line.Warnings === ''
    })
    await eventually('n3 answers', 20_000, async () => (await get(url(at(2)))).status === 200)
  })

  test('a worker says who lists them', async () => {
    const { code, stderr } = await at(1).meshctl('ingress', 'ls')
    assert.notEqual(code, 0)
    assert.match(stderr, /127\.0\.53\.1:2377/)
  })

  test('metrics of every node, workers too, count what came in there and what ran there', async () => {
    const entry = `{service="web",port="${port}",protocol="tcp"}`
    for (const node of nodes) {
      const before = (await scrape(node)).get(`meshd_http_requests_total${entry}`) ?? 0
      for (let asked = 0; asked < 10; asked++) assert.equal((await get(url(node))).status, 200)
      // Whatever `before` had not heard of yet was asked earlier than these ten.
      await eventually(`${node.address} counts`, 20_000, async () => {
        const now = await scrape(node)
        return (now.get(`meshd_http_requests_total${entry}`) ?? 0) >= before + 10
      })
    }
    const all = await Promise.all(nodes.map((node) => scrape(node)))
    const ran = all.flatMap((series) =>
      [...series].filter(([name]) => name.startsWith('meshd_task_connections_total{service="web"')),
    )
    assert.equal(ran.length, 2)
    for (const [name, connections] of ran) assert.ok(connections > 0, name)
    assert.equal(all[0]?.get('meshd_raft_is_leader'), 1)
    for (const series of all) {
      const up = [...series].filter(([name]) => name.startsWith('meshd_tunnel_up{'))
      assert.deepEqual(
        up.map(([, value]) => value),
        [1, 1],
      )
    }
  })

  test('Prometheus reads them where a node was told to serve them, and nothing else', async () => {
    const { status, body } = await get('http://127.0.53.2:9323/metrics')
    assert.equal(status, 200)
    assert.match(body, /^# TYPE meshd_http_requests_total counter$/m)
    assert.equal((await get('http://127.0.53.2:9323/info')).status, 404)
  })

  test('the access log tells every request that came in at its node, without the query', async () => {
    const paths = Array.from({ length: 30 }, (_, number) => `${url(at(1))}told/${number}`)
    for (const path of paths) assert.equal((await get(`${path}?token=hidden`)).status, 200)
    await eventually('all are told', 20_000, () => {
      const lines = at(1)
        .log()
        .split('\n')
        .filter((line) => line.includes('/told/'))
      const told = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
      const seen = new Set(told.map(({ path }) => path))
      return told.length === 30 && seen.size === 30 && told.every(({ area }) => area === 'access')
    })
    assert.ok(!at(1).log().includes('hidden'))
    assert.ok(!at(0).log().includes('/told/'))
  })

  test('a node that is gone has a line that says so', async () => {
    await at(2).killNode()
    await eventually('n3 is named', 30_000, async () => {
      const line = await lineOf(at(0), 'n3')
      return line?.Port === '' && line.Warnings.startsWith('cannot be reached: ')
    })
    const { stdout } = await at(0).meshctl('ingress', 'ls')
    assert.match(stdout, /^n3 +- +- +- +- +unknown +- +cannot be reached: /m)
  })
})
