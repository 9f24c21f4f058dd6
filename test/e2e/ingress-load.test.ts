import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { silentLog } from '../../mesh/base/log.ts'
import type { NodeIdentity } from '../../mesh/identity/node-identity.ts'
import { IngressSupervisor } from '../../src/meshd/ingress-supervisor.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { TestCluster } from '../mesh/identity/test-cluster.ts'
import { endpointOf, tableOf, taskAt } from '../src/ingress/test-node.ts'
import { ask, freePort, TestTasks } from '../src/ingress/test-tasks.ts'
import { eventually } from '../support/eventually.ts'

/** Two real ingress processes: clients come to the first, the only task is behind the second. */
const [entry, far] = ['127.0.50.51', '127.0.50.52'] as const
const dir = mkdtempSync(join(tmpdir(), 'ingress-load-'))
const tasks = new TestTasks()
const supervisors: IngressSupervisor[] = []
let port: number

before(async () => {
  const cluster = new TestCluster()
  const dataPathPort = await freePort()
  port = await freePort()
  const members = [await cluster.member(), await cluster.member()] as const
  const [first, second] = members
  const address = await tasks.serve(serve)
  const endpoints = [endpointOf('b', second.nodeId)]
  const start = async (identity: NodeIdentity, listenAddr: string): Promise<void> => {
    const supervisor = await IngressSupervisor.start({
      ...{ dataDir: mkdtempSync(join(dir, 'node-')), listenAddr, dataPathPort, workers: 1 },
      ...{ logFormat: 'json', logLevel: 'error', logName: '', log: silentLog, clock: systemClock },
    })
    supervisors.push(supervisor)
    supervisor.setIdentity(identity)
    const peers = [
      { node: first.nodeId, address: `${entry}:${dataPathPort}` },
      { node: second.nodeId, address: `${far}:${dataPathPort}` },
    ].filter(({ node }) => node !== identity.nodeId)
    const localTasks = identity === second ? [taskAt('b', address)] : []
    supervisor.setRoutes(tableOf(identity.nodeId, { port, endpoints, peers, localTasks }))
  }
  await start(first, entry)
  await start(second, far)
  await eventually(async () => assert.equal(await ask(client(), 'ready'), 'ready'))
})

after(async () => {
  tasks.close()
  for (const supervisor of supervisors) await supervisor.stop({ leaveRunning: false })
  rmSync(dir, { recursive: true, force: true })
})

const floodBytes = 32 * 1024 * 1024

/** An echo; who says `flood` gets a lot instead. */
function serve(socket: Socket): void {
  socket.once('data', (bytes: Buffer) => {
    if (bytes.toString() === 'flood') socket.end(Buffer.alloc(floodBytes))
    else {
      socket.write(bytes)
      socket.pipe(socket)
    }
  })
  socket.once('end', () => socket.end())
}

const client = (): Socket => tasks.client(entry, port)

/** Of what came, up to the end. */
async function digestOf(socket: Socket): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of socket) hash.update(piece as Buffer)
  return hash.digest('hex')
}

/** As fast as the other side takes it; the digest of what was sent. */
async function send(socket: Socket, bytes: number): Promise<string> {
  const hash = createHash('sha256')
  const block = randomBytes(1024 * 1024)
  for (let sent = 0; sent < bytes; sent += block.length) {
    const piece = Buffer.from(block)
    piece.writeUInt32BE(sent / block.length)
    hash.update(piece)
    if (!socket.write(piece)) await once(socket, 'drain')
  }
  socket.end()
  return hash.digest('hex')
}

interface Use {
  readonly rssBytes: number
  readonly descriptors: number
}

function usesOf(): Use[] {
  return supervisors.map(({ pid }) => {
    const [, kilobytes] =
      /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    const descriptors = readdirSync(`/proc/${pid}/fd`).length
    return { rssBytes: Number(kilobytes) * 1024, descriptors }
  })
}

test('a thousand open connections take at most 64 MB of each ingress, five thousand 200 MB', async (t) => {
  const idle = usesOf()
  const sockets: Socket[] = []
  for (const [count, limitBytes] of [
    [1000, 64 * 2 ** 20],
    [5000, 200 * 2 ** 20],
  ] as const) {
    while (sockets.length < count) {
      const more = Array.from({ length: 100 }, () => client())
      sockets.push(...more)
      for (const socket of more) socket.write('x')
      await Promise.all(more.map((socket) => once(socket, 'data')))
    }
    await new Promise((resolve) => setTimeout(resolve, 1000))
    usesOf().forEach((use, at) => {
      const grown = use.rssBytes - (idle[at]?.rssBytes ?? 0)
      t.diagnostic(`${count} connections: ${Math.round(grown / 2 ** 20)} MB more`)
      assert.ok(grown <= limitBytes, `${Math.round(grown / 2 ** 20)} MB with ${count}`)
    })
  }
  for (const socket of sockets) socket.destroy()
  await eventually(() => {
    usesOf().forEach((use, at) => {
      assert.ok(use.descriptors <= (idle[at]?.descriptors ?? 0) + 8, `${use.descriptors} left`)
    })
  })
})

test('200 MB each way through two nodes arrive as they were sent', async () => {
  const socket = client()
  const came = digestOf(socket)
  const sent = await send(socket, 200 * 1024 * 1024)
  assert.equal(await came, sent)
})

test('clients that do not read hold up no neighbour, and lose nothing', async () => {
  const stuck = Array.from({ length: 20 }, () => {
    const socket = client()
    socket.pause()
    socket.write('flood')
    return socket
  })
  await new Promise((resolve) => setTimeout(resolve, 1000))
  const quick = client()
  const came = digestOf(quick)
  const sent = await send(quick, 20 * 1024 * 1024)
  assert.equal(await came, sent)
  for (let at = 0; at < 100; at++) assert.equal(await ask(client(), `q${at}`), `q${at}`)
  const lengths = stuck.map(async (socket) => {
    let length = 0
    for await (const piece of socket) length += (piece as Buffer).length
    return length
  })
  assert.deepEqual(
    await Promise.all(lengths),
    stuck.map(() => floodBytes),
  )
})
