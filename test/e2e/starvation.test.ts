import assert from 'node:assert/strict'
import { Agent, request } from 'node:http'
import { test, type TestContext } from 'node:test'
import { Cluster, eventually, sleep, type Daemon } from '../support/daemon.ts'

const services = 2000
const labelBytes = 10_000
const atOnce = 8
const listers = 4
const listMs = 8000

/**
 * One thread agrees, answers and watches its peers. Work that is large must not keep it from saying
 * that it is there: terms and deaths are counted over all of it. A suspicion, which the suspect
 * refutes, is only told: on a busy machine others' work is enough for one.
 */
test('large requests, snapshots and lists cost nobody the leadership', async (context) => {
  await using cluster = new Cluster('127.0.46', { flags: ['--log-level', 'debug'] })
  const managers = [...(await cluster.startManagers(3))]
  await eventually('three are alive', 20_000, async () => (await gauges(managers)).every(isWell))
  // Starting takes its toll on a busy machine; from here on nothing may.
  await sleep(3000)
  const [first] = await gauges(managers)
  assert.ok(first !== undefined)
  const startedMs = Date.now()
  const calm = async (what: string): Promise<void> => {
    const now = await gauges(cluster.daemons)
    tell(context, what, now)
    const terms = now.map(({ term }) => term)
    assert.deepEqual(new Set(terms), new Set([first.term]), `${what}: an election`)
    const doubts = managers.flatMap((daemon) => doubtsOf(daemon, startedMs))
    const dead = doubts.filter(({ state }) => state === 'dead')
    assert.deepEqual(dead, [], `${what}: a member was taken for dead`)
    context.diagnostic(`${what}: ${doubts.length} suspicions since the start`)
  }
  await sleep(2000)
  await calm('nothing')

  const leader = await leaderOf(managers)
  const body = spec('huge', 10 * 1024 * 1024 - 1000)
  for (let round = 0; round < 5; round++) {
    const { status, text } = await call(leader, 'POST', '/services/create', body)
    assert.equal(status, 400, text)
  }
  await calm('bodies of 10 MB')

  await createServices(leader)
  await calm(`${services} services of ${labelBytes} bytes`)

  await cluster.startNode('manager', { flags: ['--log-level', 'debug'] })
  await eventually('the fourth has them all', 30_000, async () => {
    const [oldest, newest] = await gauges([leader, cluster.daemons.at(-1) ?? leader])
    return newest !== undefined && oldest !== undefined && newest.applied >= oldest.applied
  })
  await calm('a snapshot of 20 MB')

  const deadlineMs = performance.now() + listMs
  const lists = Array.from({ length: listers }, async () => {
    let count = 0
    while (performance.now() < deadlineMs) {
      const { status, text } = await call(leader, 'GET', '/services')
      assert.equal(status, 200)
      assert.equal((JSON.parse(text) as unknown[]).length, services)
      count++
    }
    return count
  })
  const listed = (await Promise.all(lists)).reduce((sum, count) => sum + count, 0)
  context.diagnostic(`${listed} lists of ${services} services in ${listMs} ms`)
  await calm('lists')
})

async function createServices(leader: Daemon): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    for (let number = next++; number < services; number = next++) {
      const made = await call(leader, 'POST', '/services/create', spec(`s${number}`, labelBytes))
      assert.equal(made.status, 201, made.text)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
}

const spec = (name: string, bytes: number): string =>
  JSON.stringify({
    Name: name,
    Labels: { filler: 'x'.repeat(bytes) },
    TaskTemplate: { ContainerSpec: { Image: 'meshd/whoami' } },
    Mode: { Replicated: { Replicas: 0 } },
  })

interface Gauges {
  readonly delayMs: number
  readonly term: number
  readonly applied: number
  readonly isLeader: boolean
  readonly alive: number
}

const isWell = ({ alive }: Gauges): boolean => alive === 3

function gauges(daemons: readonly Daemon[]): Promise<Gauges[]> {
  return Promise.all(
    daemons.map(async (daemon) => {
      const { text } = await call(daemon, 'GET', '/metrics')
      const value = (name: string): number =>
        Number(new RegExp(`^meshd_${name} (.*)$`, 'm').exec(text)?.[1])
      return {
        delayMs: 1000 * value('event_loop_delay_seconds'),
        term: value('raft_term'),
        applied: value('raft_applied_index'),
        isLeader: value('raft_is_leader') === 1,
        alive: value('members_alive'),
      }
    }),
  )
}

async function leaderOf(managers: readonly Daemon[]): Promise<Daemon> {
  const at = (await gauges(managers)).findIndex(({ isLeader }) => isLeader)
  const leader = managers[at]
  assert.ok(leader !== undefined, 'somebody leads')
  return leader
}

function tell(context: TestContext, what: string, now: readonly Gauges[]): void {
  const delays = now.map(({ delayMs }) => Math.round(delayMs)).join(', ')
  context.diagnostic(`${what}: event loops were late by up to ${delays} ms within a minute`)
}

interface Doubt {
  readonly time: number
  readonly name: string
  readonly state: string
  readonly msg: string
}

/** What a daemon's log says of members that it doubted. */
const doubtsOf = (daemon: Daemon, sinceMs: number): Doubt[] =>
  daemon
    .log()
    .split('\n')
    .filter((line) => line.includes('a member changed'))
    .map((line) => JSON.parse(line) as Doubt)
    .filter(({ time, state }) => time >= sinceMs && (state === 'suspect' || state === 'dead'))

const agent = new Agent({ keepAlive: true, maxSockets: 64 })
// The pooled connections of a test that failed must not keep its process alive.
agent.on('free', (socket) => socket.unref())

function call(
  { socketPath }: Daemon,
  method: string,
  path: string,
  body = '',
): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': body.length }
    const asked = request({ socketPath, agent, method, path, headers }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('error', reject)
      response.once('end', () => {
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') })
      })
    })
    asked.once('error', reject)
    asked.end(body)
  })
}
