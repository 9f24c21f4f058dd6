import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { after, before, test } from 'node:test'
import { MeshClient } from '../../src/client/mesh-client.ts'
import type { ApiTask } from '../../src/client/types.ts'
import { Cluster, eventually, isUp, sleep, type Daemon } from '../support/daemon.ts'
import { HeldConnections, OpenLoop } from '../support/open-loop.ts'

/**
 * Clients that never try twice, while tasks, nodes and daemons come and go. The first node runs no
 * task of `web`: its daemon is killed, and with this runtime its tasks would be killed with it.
 */
const port = 18080
const drainMs = 2000
let cluster: Cluster
let nodes: [Daemon, Daemon, Daemon]

before(async () => {
  cluster = new Cluster('127.0.44')
  nodes = [...(await cluster.startManagers(3))] as [Daemon, Daemon, Daemon]
  await ctl(
    ...['service', 'create', '--name', 'web', '--replicas', '6', '--publish', `${port}:80`],
    ...['--label', `mesh.drain=${drainMs}ms`, '--stop-grace-period', '3s'],
    ...['--restart-delay', '100ms', '--update-parallelism', '3', '--update-monitor', '500ms'],
    ...['--constraint', 'node.hostname!=n1', 'meshd/whoami'],
  )
  await ctl(
    ...['service', 'create', '--name', 'other', '--replicas', '3'],
    ...['--publish', `${port + 1}:80`, 'meshd/whoami'],
  )
  await settled(6)
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

test('scaling up, and removing another service, fail no request', async () => {
  await underLoad(nodes, async () => {
    await ctl('service', 'scale', 'web=6')
    await ctl('service', 'rm', 'other')
    await settled(6)
  })
})

for (const order of ['start-first', 'stop-first']) {
  test(`a rolling update, ${order}, fails no request`, async () => {
    const before = new Set((await running('web')).map((task) => task.ID))
    assert.equal(before.size, 6)
    await underLoad(nodes, async () => {
      await ctl('service', 'update', '--force', '--update-order', order, 'web')
      await settled(6)
    })
    const kept = (await running('web')).filter((task) => before.has(task.ID))
    assert.deepEqual(kept, [], 'tasks were not replaced')
  })
}

test('kill -9 of a daemon, tasks that stop meanwhile, and the next one fail no request', async () => {
  const [first] = nodes
  await underLoad(nodes, async () => {
    await first.killDaemon()
    // Its ingress goes on with a table in which most tasks are soon gone.
    await ctl('service', 'scale', 'web=2')
    await settled(2)
    await restarted(first)
    await ctl('service', 'scale', 'web=6')
    await settled(6)
  })
})

test('SIGUSR2 to a daemon, and the next one, fail no request through its ingress', async () => {
  const [first] = nodes
  await underLoad(nodes, async () => {
    process.kill(first.pid, 'SIGUSR2')
    await first.exited()
    await restarted(first)
  })
})

test('draining a node fails no request', async () => {
  await underLoad(nodes, async () => {
    await ctl('node', 'update', '--availability', 'drain', 'n3')
    const third = await idOf('n3')
    await eventually('no task of web is left on n3', 30_000, async () => {
      return (await running('web')).every((task) => task.NodeID !== third)
    })
    await settled(6)
  })
  await ctl('node', 'update', '--availability', 'active', 'n3')
  // What comes anew goes to the node with less.
  await ctl('service', 'scale', 'web=2')
  await ctl('service', 'scale', 'web=6')
  await settled(6)
})

test('a node that leaves fails no request, and its tasks are elsewhere before it is missed', async () => {
  const fourth = await cluster.startNode('worker')
  await ctl('service', 'scale', 'web=9')
  await settled(9)
  const id = await idOf('n4')
  const onFourth = (await running('web')).filter((task) => task.NodeID === id)
  assert.ok(onFourth.length > 0, 'n4 has no task to lose')
  await underLoad(nodes, async () => {
    const { code, stderr } = await fourth.meshctl('swarm', 'leave')
    assert.equal(code, 0, stderr)
    await fourth.exited()
    // Whoever was stopped in order is given 30 s to come back; this one will not.
    await settled(9, 20_000)
  })
  assert.ok((await running('web')).every((task) => task.NodeID !== id))
  await ctl('service', 'scale', 'web=6')
  await settled(6)
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
  await underLoad([first, second], () => third.stop())
  // Those that came in through the node itself were open when it was told to end.
  assert.deepEqual(await Promise.all(uploads), Array(6).fill(200))
  // It said at once that it stops: what replaces its tasks was never meant to run there.
  await settled(6)
  const later = (await onThird()).filter((id) => !assigned.includes(id))
  assert.deepEqual(later, [], 'tasks were given to a node that stops')
})

const url = (node: Daemon): string => `http://${node.address}:${port}/`

/** Runs `change` under load through `through`; not one request may fail. */
async function underLoad(through: readonly Daemon[], change: () => Promise<void>): Promise<void> {
  const load = new OpenLoop({ urls: through.map(url), periodMs: 20, keepAliveClients: 4 })
  const startedMs = performance.now()
  try {
    await sleep(500)
    await change()
    await sleep(500)
  } finally {
    await load.end()
  }
  const seconds = (performance.now() - startedMs) / 1000
  assert.ok(load.shots.length > 10 * seconds, `only ${load.shots.length} requests were made`)
  assert.deepEqual(load.failed.slice(0, 10), [], `${load.failed.length} requests failed`)
  assert.deepEqual(load.cutConnections, [], 'kept connections were cut without a word')
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
