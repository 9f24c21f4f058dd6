import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { silentLog } from '../../../mesh/base/log.ts'
import type { NodeIdentity } from '../../../mesh/identity/node-identity.ts'
import {
  IngressSupervisor,
  type IngressSupervisorOptions,
} from '../../../src/meshd/ingress-supervisor.ts'
import { systemClock } from '../../../src/runtime/system-clock.ts'
import { TestCluster } from '../../mesh/identity/test-cluster.ts'
import { eventually } from '../../support/eventually.ts'
import { endpointOf, tableOf, taskAt } from '../ingress/test-node.ts'
import { ask, dialled, freePort, TestTasks, UdpClient } from '../ingress/test-tasks.ts'

const cluster = new TestCluster()
const host = '127.0.0.1'
let tasks: TestTasks
let identity: NodeIdentity
let dataDir: string
let port: number
let dataPathPort: number
let running: IngressSupervisor[]

beforeEach(async () => {
  tasks = new TestTasks()
  identity = await cluster.member()
  dataDir = await mkdtemp(join(tmpdir(), 'ingress-'))
  port = await freePort()
  dataPathPort = await freePort()
  running = []
})

afterEach(async () => {
  tasks.close()
  for (const supervisor of running) await supervisor.stop({ leaveRunning: false })
  await rm(dataDir, { recursive: true, force: true })
})

async function start(more: Partial<IngressSupervisorOptions> = {}): Promise<IngressSupervisor> {
  const supervisor = await IngressSupervisor.start({
    dataDir,
    listenAddr: host,
    dataPathPort,
    workers: 1,
    logFormat: 'json',
    logLevel: 'error',
    logName: '',
    log: silentLog,
    clock: systemClock,
    ...more,
  })
  running.push(supervisor)
  return supervisor
}

/** The service's only task runs on this node, at this address. */
function routeTo(supervisor: IngressSupervisor, address: string): void {
  supervisor.setIdentity(identity)
  supervisor.setRoutes(
    tableOf(identity.nodeId, {
      port,
      endpoints: [endpointOf('a', identity.nodeId)],
      localTasks: [taskAt('a', address)],
    }),
  )
}

const answers = (text: string, at = host): Promise<void> =>
  eventually(async () => assert.equal(await ask(tasks.client(at, port), text), text))

test('starts an ingress that listens while its service exists, and leaves nothing behind', async () => {
  const supervisor = await start()
  // It answers a moment before it has written its pid.
  const readPid = async (): Promise<number> =>
    Number(await readFile(join(dataDir, 'ingress.pid'), 'utf8'))
  assert.equal(await eventually(readPid), supervisor.pid)
  assert.equal((await stat(join(dataDir, 'ingress.sock'))).mode & 0o777, 0o600)
  routeTo(supervisor, await tasks.echo())
  await answers('hello')
  await eventually(() => assert.ok(supervisor.appliedVersion > 0))
  const empty = tableOf(identity.nodeId, { port })
  supervisor.setRoutes({ ...empty, listeners: [] })
  await eventually(async () => {
    assert.equal(await dialled(tasks.client(host, port)), 'ECONNREFUSED')
  })
  await supervisor.stop({ leaveRunning: false })
  running = []
  assert.equal(existsSync(join(dataDir, 'ingress.sock')), false)
  await eventually(() => assert.equal(existsSync(join(dataDir, 'ingress.pid')), false))
})

test('two nodes carry 2 MB between them in processes of their own', async () => {
  const other = await cluster.member()
  const otherDir = await mkdtemp(join(tmpdir(), 'ingress-'))
  try {
    const [first, second] = await Promise.all([
      start(),
      start({ dataDir: otherDir, listenAddr: '127.0.0.2', workers: 2 }),
    ])
    let hasAnswered = false
    first.onPeerStatus((node, answers) => (hasAnswered ||= node === other.nodeId && answers))
    first.setIdentity(identity)
    second.setIdentity(other)
    const endpoints = [endpointOf('b', other.nodeId)]
    const peer = { node: other.nodeId, address: `127.0.0.2:${dataPathPort}` }
    first.setRoutes(tableOf(identity.nodeId, { port, endpoints, peers: [peer] }))
    second.setRoutes(
      tableOf(other.nodeId, {
        port,
        endpoints,
        peers: [{ node: identity.nodeId, address: `${host}:${dataPathPort}` }],
        localTasks: [taskAt('b', await tasks.echo())],
      }),
    )
    await eventually(() => assert.equal(hasAnswered, true))
    await answers('x'.repeat(2_000_000))
    await answers('near', '127.0.0.2')
    await eventually(() => assert.ok((second.counts.tasks[0]?.bytesIn ?? 0) >= 2_000_000))
  } finally {
    await rm(otherDir, { recursive: true, force: true })
  }
})

test('the next daemon takes over a running ingress, and no connection breaks', async () => {
  const before = await start()
  routeTo(before, await tasks.echo())
  await answers('x')
  const client = tasks.client(host, port)
  client.write('one')
  await once(client, 'data')
  const { pid } = before
  await before.stop({ leaveRunning: true })
  running = []
  const after = await start()
  assert.equal(after.pid, pid)
  assert.equal(await ask(client, 'two'), 'two')
})

test('an ingress of another version is replaced; its open connections live on', async () => {
  const before = await start()
  const address = await tasks.echo()
  routeTo(before, address)
  await answers('x')
  const client = tasks.client(host, port)
  client.write('one')
  await once(client, 'data')
  const { pid } = before
  await before.stop({ leaveRunning: true })
  running = []
  // This ingress is of the version that it is: to a daemon of another one it is the stranger.
  const after = await start({ version: 'another' })
  assert.notEqual(after.pid, pid)
  routeTo(after, address)
  await answers('new')
  assert.equal(await ask(client, 'two'), 'two')
})

test('an ingress that is killed is replaced, with everything that it was told', async () => {
  const supervisor = await start()
  routeTo(supervisor, await tasks.echo())
  await answers('x')
  const { pid } = supervisor
  process.kill(pid ?? 0, 'SIGKILL')
  await eventually(() => assert.ok(supervisor.pid !== null && supervisor.pid !== pid))
  await answers('again')
})

test('a daemon that is killed takes no connection with it', async () => {
  const daemon = fork(new URL('ingress-daemon.ts', import.meta.url), {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  daemon.send({
    identity: { ...identity, libp2pPrivateKey: '' },
    options: { dataDir, listenAddr: host, dataPathPort },
    table: tableOf(identity.nodeId, {
      port,
      endpoints: [endpointOf('a', identity.nodeId)],
      localTasks: [taskAt('a', await tasks.echo())],
    }),
  })
  await once(daemon, 'message')
  await answers('x')
  const client = tasks.client(host, port)
  client.write('one')
  await once(client, 'data')
  // Whoever read its log goes as well: the ingress writes into a pipe that nobody holds.
  daemon.stderr?.destroy()
  daemon.kill('SIGKILL')
  await once(daemon, 'exit')
  client.write('two')
  const [heard] = (await once(client, 'data')) as [Buffer]
  assert.equal(heard.toString(), 'two')
  for (let at = 0; at < 10; at++) await answers(`new ${at}`)
  const next = await start()
  assert.equal(Number(await readFile(join(dataDir, 'ingress.pid'), 'utf8')), next.pid)
  assert.equal(await ask(client, 'three'), 'three')
})

test('listening everywhere means IPv6 too, with UDP from each address, in every thread', async () => {
  const supervisor = await start({ listenAddr: '0.0.0.0', workers: 2 })
  const { nodeId } = identity
  const facts = {
    port,
    endpoints: [endpointOf('a', nodeId)],
    localTasks: [
      taskAt('a', await tasks.echo()),
      taskAt('u', (await tasks.datagramEcho('u')).address),
    ],
  }
  const table = tableOf(nodeId, facts)
  const udp = tableOf(nodeId, { port, protocol: 'udp', endpoints: [endpointOf('u', nodeId)] })
  supervisor.setIdentity(identity)
  supervisor.setRoutes({ ...table, listeners: [...table.listeners, ...udp.listeners] })
  for (const at of ['127.0.0.1', '::1']) {
    await answers('hello', at)
    for (let times = 0; times < 8; times++) {
      const client = new UdpClient(await tasks.datagramSocket(at), { host: at, port })
      assert.equal(await client.ask('hello'), 'u')
    }
  }
})

test('a limit holds over all threads of a node, and outlives none of its connections', async () => {
  const supervisor = await start({ workers: 3 })
  const endpoints = [endpointOf('a', identity.nodeId)]
  const localTasks = [taskAt('a', await tasks.echo())]
  supervisor.setIdentity(identity)
  const options = { maxConnections: 5 }
  supervisor.setRoutes(tableOf(identity.nodeId, { port, endpoints, localTasks, options }))
  await answers('hello')
  for (let round = 0; round < 2; round++) {
    const sockets = Array.from({ length: 20 }, () => tasks.client(host, port))
    for (const socket of sockets) socket.write('x')
    const outcomes = await Promise.all(
      sockets.map((socket) =>
        once(socket, 'data').then(
          () => true,
          () => false,
        ),
      ),
    )
    const accepted = outcomes.filter((isIn) => isIn).length
    // Two that come at once may both be turned away at the last place.
    assert.ok(accepted >= 2 && accepted <= 5, String(accepted))
    for (const socket of sockets) socket.destroy()
    await answers('free again')
  }
})

test('a port that another program holds is a conflict until it is free', async () => {
  const squatter = createServer().listen(port, host)
  await once(squatter, 'listening')
  const supervisor = await start()
  routeTo(supervisor, await tasks.echo())
  await eventually(() => assert.deepEqual(supervisor.portConflicts, [String(port)]))
  squatter.close()
  await answers('mine now')
  await eventually(() => assert.deepEqual(supervisor.portConflicts, []))
})

test('a task has drained when its last connection is gone, or at the deadline', async () => {
  const supervisor = await start()
  routeTo(supervisor, await tasks.echo())
  await answers('x')
  const client = tasks.client(host, port)
  client.write('x')
  await once(client, 'data')
  await supervisor.drained({ task: 'a', serviceId: 'web' }, 50)
  let hasDrained = false
  const drained = supervisor
    .drained({ task: 'a', serviceId: 'web' }, 60_000)
    .then(() => (hasDrained = true))
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.equal(hasDrained, false)
  client.end()
  await drained
  await supervisor.drained({ task: 'never heard of', serviceId: 'web' }, 60_000)
})

test('SIGTERM to the ingress asks the daemon to stop too, and is obeyed', async () => {
  const supervisor = await start()
  const asked = new Promise<void>((resolve) => supervisor.onStopRequested(resolve))
  const pid = supervisor.pid ?? 0
  process.kill(pid, 'SIGTERM')
  await asked
  await supervisor.stop({ leaveRunning: false })
  running = []
  await eventually(() => assert.throws(() => process.kill(pid, 0)))
})

test('a message that is none ends the connection, not the ingress', async () => {
  const supervisor = await start()
  routeTo(supervisor, await tasks.echo())
  await answers('x')
  const stranger = connect(join(dataDir, 'ingress.sock'))
  stranger.on('error', () => {})
  stranger.write(Buffer.from('00000003', 'hex'))
  stranger.write('{}}')
  await once(stranger, 'close')
  await answers('still there')
})
