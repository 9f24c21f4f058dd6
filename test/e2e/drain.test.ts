import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { MeshClient } from '../../src/client/mesh-client.ts'
import type { ApiTask } from '../../src/client/types.ts'
import { busyApp } from '../support/busy-app.ts'
import { Cluster, eventually, isUp, sleep, type Daemon } from '../support/daemon.ts'
import { get } from '../support/http.ts'
import { Echoes, Uploads } from '../support/long-exchanges.ts'
import { HeldConnections, OpenLoop } from '../support/open-loop.ts'

/**
 * Clients that never try twice, while tasks, nodes and daemons come and go. The first node runs no
 * task of `web`: its daemon is killed, and with this runtime its tasks would be killed with it.
 */
const port = 18080
/** The same tasks behind a port that speaks HTTP. */
const httpPort = 18082
const ports = [port, httpPort]
const drainMs = 1000
/** What an idle service must not wait for. */
const longDrainMs = 60_000
const updates = 10
const wantedRequests = Number(process.env['MESH_DRAIN_REQUESTS'] ?? 20_000)
/** Of all stories. */
const sum = { requests: 0, uploads: 0, echoes: 0, toldToGo: 0 }
let cluster: Cluster
let nodes: [Daemon, Daemon, Daemon]

before(async () => {
  cluster = new Cluster('127.0.44')
  nodes = [...(await cluster.startManagers(3))] as [Daemon, Daemon, Daemon]
  await ctl(
    ...['service', 'create', '--name', 'web', '--replicas', '8', '--publish', `${port}:80`],
    ...['--publish', `${httpPort}:80`, '--label', `mesh.ingress.${httpPort}.protocol=http`],
    // A client that was told is given the time to end what it began.
    ...['--label', `mesh.drain=${drainMs}ms`, '--stop-grace-period', '30s'],
    ...['--restart-delay', '100ms', '--update-parallelism', '2', '--update-monitor', '200ms'],
    ...['--constraint', 'node.hostname!=n1', 'any', ...busyApp],
  )
  await ctl(
    ...['service', 'create', '--name', 'other', '--replicas', '3'],
    ...['--publish', `${port + 1}:80`, '--label', `mesh.drain=${longDrainMs}ms`, 'meshd/whoami'],
  )
  await settled(8)
})

after(() => cluster[Symbol.asyncDispose]())

test('scaling down fails no request, and open connections live until the drain deadline', async () => {
  const hosts = nodes.map(({ address }) => address)
  const held = await HeldConnections.open(24, hosts, port)
  const openedMs = performance.now()
  let scaledMs = 0
  await underLoad(nodes, async () => {
    scaledMs = performance.now() - openedMs
    await ctl('service', 'scale', 'web=2')
    await settled(2)
  })
  const cut = held.cutAfterMs
  assert.ok(cut.length > 0, 'no connection was open to a task that stopped')
  assert.ok(held.openCount > 0, 'connections to tasks that stay were cut')
  assert.ok(Math.min(...cut) > scaledMs + drainMs, `cut after ${cut.join()} ms`)
  held.close()
})

test('scaling up, and removing another service, fail no request', async (t) => {
  await underLoad(nodes, async () => {
    await ctl('service', 'scale', 'web=8')
    const startedMs = performance.now()
    await ctl('service', 'scale', 'other=1')
    await eventually('two idle tasks have stopped', longDrainMs / 2, async () => {
      return (await running('other')).length === 1
    })
    t.diagnostic(`idle tasks stopped after ${sinceMs(startedMs)} ms`)
    await ctl('service', 'rm', 'other')
    await settled(8)
  })
})

test('kill -9 of a task fails at most what was in flight, and nothing that comes later', async (t) => {
  const pid = Number((await get(url(nodes[1]))).facts['pid'])
  const clients = 18
  const load = new OpenLoop({ urls: urlsOf(nodes), periodMs: 5, keepAliveClients: clients })
  await sleep(500)
  const { nowMs: killedMs, inFlight } = load
  process.kill(pid, 'SIGKILL')
  await sleep(1500)
  await settled(8)
  await load.end()
  const lateMs = load.failed.map(({ atMs }) => atMs - killedMs)
  t.diagnostic(`${load.failed.length} of ${load.shots.length} failed, asked at ${lateMs.join()} ms`)
  // A client may not yet know that its connection is gone.
  assert.ok(
    lateMs.every((ms) => ms < 1000),
    `asked ${lateMs.join()} ms after the task was killed`,
  )
  assert.ok(load.failed.length <= inFlight + clients, `${load.failed.length} failed`)
})

test('kill -9 of an ingress: it listens again at once, and the others do not notice', async (t) => {
  const [first, second, third] = nodes
  await underLoad([second, third], async () => {
    const pid = Number(readFileSync(join(first.options.dir, 'data/ingress.pid'), 'utf8'))
    const startedMs = performance.now()
    process.kill(pid, 'SIGKILL')
    let tookMs = 0
    await eventually('the next ingress answers', 10_000, async () => {
      await get(url(first))
      tookMs = sinceMs(startedMs)
      return true
    })
    // To start a program at all takes long where others are at work: a second, where nobody is.
    const programMs = await timeOf(() => ctl('node', 'ls'))
    t.diagnostic(`answers again after ${tookMs} ms; a program took ${programMs} ms`)
    assert.ok(tookMs < Math.max(3000, 20 * programMs), `${tookMs} ms`)
  })
})

test('kill -9 of a daemon, tasks that stop meanwhile, and the next one fail no request', async () => {
  const [first] = nodes
  await underLoad(nodes, async () => {
    await first.killDaemon()
    // Its ingress goes on with a table in which most tasks are soon gone.
    await ctl('service', 'scale', 'web=2')
    await settled(2)
    await restarted(first)
    await ctl('service', 'scale', 'web=8')
    await settled(8)
  })
})

test('kill -9 or SIGUSR2 to a daemon, and the next one, break no connection', async () => {
  const [first] = nodes
  const told = sum.toldToGo
  await underLoad(nodes, async () => {
    await first.killDaemon()
    await restarted(first)
    process.kill(first.pid, 'SIGUSR2')
    await first.exited()
    await restarted(first)
  })
  assert.equal(sum.toldToGo, told, 'WebSockets did not stay open')
})

test('draining a node, and its return, fail no request', async () => {
  await underLoad(nodes, async () => {
    await ctl('node', 'update', '--availability', 'drain', 'n3')
    const third = await idOf('n3')
    await eventually('no task of web is left on n3', 60_000, async () => {
      return (await running('web')).every((task) => task.NodeID !== third)
    })
    await settled(8)
    await ctl('node', 'update', '--availability', 'active', 'n3')
    // What comes anew goes to the node with less.
    await ctl('service', 'scale', 'web=2')
    await ctl('service', 'scale', 'web=8')
    await settled(8)
  })
})

test('a node that leaves fails no request, and its tasks are elsewhere before it is missed', async () => {
  const fourth = await cluster.startNode('worker')
  await ctl('service', 'scale', 'web=10')
  await settled(10)
  const id = await idOf('n4')
  const onFourth = (await running('web')).filter((task) => task.NodeID === id)
  assert.ok(onFourth.length > 0, 'n4 has no task to lose')
  await underLoad(nodes, async () => {
    const { code, stderr } = await fourth.meshctl('swarm', 'leave')
    assert.equal(code, 0, stderr)
    await fourth.exited()
    // Whoever was stopped in order is given 30 s to come back; this one will not.
    await settled(10, 20_000)
  })
  assert.ok((await running('web')).every((task) => task.NodeID !== id))
  await ctl('service', 'scale', 'web=8')
  await settled(8)
})

test('SIGTERM to a node fails no request that comes in through another one', async () => {
  const [first, second, third] = nodes
  const thirdId = await idOf('n3')
  const onThird = async (): Promise<string[]> =>
    (await tasksOf('web')).filter((task) => task.NodeID === thirdId).map((task) => task.ID)
  const assigned = await onThird()
  assert.ok(
    (await running('web')).some((task) => task.NodeID === thirdId),
    'n3 has no task to lose',
  )
  const uploads = Array.from({ length: 6 }, () => upload(third))
  await underLoad([first, second], async () => {
    await third.stop()
    // Those that came in through the node itself were open when it was told to end.
    assert.deepEqual(await Promise.all(uploads), Array(6).fill(200))
    // It said at once that it stops: what replaces its tasks was never meant to run there.
    await settled(8)
    const later = (await onThird()).filter((id) => !assigned.includes(id))
    assert.deepEqual(later, [], 'tasks were given to a node that stops')
    await restarted(third)
  })
})

test(`${updates} rolling updates fail no request, and of all stories ${wantedRequests} were asked`, async (t) => {
  await underLoad(nodes, async (load) => {
    // So that both nodes replace tasks.
    await ctl('service', 'scale', 'web=2')
    await ctl('service', 'scale', 'web=4')
    await settled(4)
    const asked = (): number => sum.requests + load.shots.length
    for (let update = 0; update < updates || asked() < wantedRequests; update++) {
      const before = new Set((await running('web')).map((task) => task.ID))
      const order = update % 2 === 0 ? 'start-first' : 'stop-first'
      await ctl('service', 'update', '--detach', '--force', '--update-order', order, 'web')
      await eventually('every task was replaced', 60_000, async () => {
        return (await running('web')).every((task) => !before.has(task.ID))
      })
      await settled(4)
    }
  })
  t.diagnostic(JSON.stringify(sum))
})

const url = (node: Daemon, at = port): string => `http://${node.address}:${at}/`

const sinceMs = (startedMs: number): number => Math.round(performance.now() - startedMs)

async function timeOf(run: () => Promise<void>): Promise<number> {
  const startedMs = performance.now()
  await run()
  return sinceMs(startedMs)
}

const urlsOf = (through: readonly Daemon[]): string[] =>
  through.flatMap((node) => ports.map((at) => url(node, at)))

const loadThrough = (through: readonly Daemon[]) => ({
  urls: urlsOf(through),
  periodMs: 25,
  keepAliveClients: 12,
})

/** Runs `change` under load through `through`; not one request may fail. */
async function underLoad(
  through: readonly Daemon[],
  change: (load: OpenLoop) => Promise<void>,
): Promise<void> {
  const load = new OpenLoop(loadThrough(through))
  const echoes = new Echoes(urlsOf(through))
  const uploads = new Uploads(urlsOf(through))
  const startedMs = performance.now()
  try {
    await sleep(500)
    await change(load)
    await sleep(500)
  } finally {
    await Promise.all([load.end(), echoes.end(), uploads.end()])
  }
  const seconds = sinceMs(startedMs) / 1000
  assert.ok(load.shots.length > 10 * seconds, `only ${load.shots.length} requests were made`)
  assert.deepEqual(load.failed.slice(0, 10), [], `${load.failed.length} requests failed`)
  assert.deepEqual(load.cutConnections, [], 'kept connections were cut without a word')
  assert.deepEqual(uploads.failed, [], 'uploads failed')
  assert.deepEqual(echoes.failed, [], 'WebSockets failed')
  assert.ok(uploads.done > 0 && echoes.done > 0, 'no upload or no echo was tried')
  sum.requests += load.shots.length
  sum.uploads += uploads.done
  sum.echoes += echoes.done
  sum.toldToGo += echoes.toldToGo
}

/** A request whose body takes two seconds; resolves with the status, or rejects. */
async function upload(to: Daemon): Promise<number> {
  const options = { agent: false, method: 'POST', headers: { 'Content-Length': 20 } }
  const sending = request(url(to), options)
  const answered = once(sending, 'response')
  for (let sent = 0; sent < 20; sent++) {
    sending.write('x')
    await sleep(100)
  }
  sending.end()
  const [response] = (await answered) as [{ statusCode: number; resume(): void }]
  response.resume()
  return response.statusCode
}

/** Its table was settled anew, whatever the ingress knew before. */
async function restarted(node: Daemon): Promise<void> {
  node.start()
  await isUp(node)
  await sleep(3000)
}

async function ctl(...args: string[]): Promise<void> {
  const { code, stderr } = await nodes[1].meshctl(...args)
  assert.equal(code, 0, `meshctl ${args.join(' ')}: ${stderr}`)
}

async function withClient<T>(ask: (client: MeshClient) => Promise<T>): Promise<T> {
  using client = new MeshClient({ kind: 'unix', path: nodes[1].socketPath })
  return await ask(client)
}

const idOf = (node: string): Promise<string> =>
  withClient(async (client) => (await client.node(node)).ID)

const tasksOf = (service: string): Promise<readonly ApiTask[]> =>
  withClient((client) => client.tasks({ service: [service] }))

/** What runs of it, those included that are to stop. */
const running = async (service: string): Promise<readonly ApiTask[]> =>
  (await tasksOf(service)).filter((task) => task.Status.State === 'running')

/** So many tasks of `web` run, and what was to stop has stopped. */
const settled = (count: number, limitMs = 60_000): Promise<void> =>
  eventually(`exactly ${count} tasks of web run`, limitMs, async () => {
    const tasks = await running('web')
    return tasks.length === count && tasks.every((task) => task.DesiredState === 'running')
  })
