import assert from 'node:assert/strict'
import { Agent, request, type IncomingMessage } from 'node:http'
import { test } from 'node:test'
import type { Task } from '../../../src/model/docker.ts'
import type { ApiDeps } from '../../../src/api/deps.ts'
import type { LogLine, LogQuery } from '../../../src/model/log-line.ts'
import { startApi, type ApiServer } from '../../support/api-server.ts'
import { eventually } from '../../support/eventually.ts'
import { webSpec } from './service-spec.ts'

const at = (second: number): string =>
  `2026-01-01T00:00:${String(second).padStart(2, '0')}.000000000Z`

const line = (second: number, text: string, stream: LogLine['stream'] = 'stdout'): LogLine => ({
  at: at(second),
  stream,
  attributes: '',
  text: Buffer.from(`${text}\n`),
})

/** An engine's logs that a test writes; a reader that follows hears of more until it is over. */
class FakeLogs {
  readonly #lines = new Map<string, LogLine[]>()
  readonly #waiting = new Set<() => void>()
  readonly ended = new Set<string>()
  readonly queries: { task: string; query: LogQuery }[] = []

  print(task: string, ...lines: LogLine[]): void {
    this.#lines.set(task, [...(this.#lines.get(task) ?? []), ...lines])
    for (const wake of this.#waiting) wake()
  }

  readonly read: ApiDeps['taskLogs'] = (task, query, signal) => this.#read(task, query, signal)

  async *#read(task: string, query: LogQuery, signal: AbortSignal): AsyncGenerator<LogLine> {
    this.queries.push({ task, query })
    let next = Math.max(0, (this.#lines.get(task)?.length ?? 0) - (query.tail ?? Infinity))
    while (!signal.aborted) {
      const found = this.#lines.get(task)?.[next]
      if (found !== undefined) {
        next++
        if (query.since === null || found.at >= query.since) yield found
      } else if (!query.follow || this.ended.has(task)) return
      else {
        await new Promise<void>((resolve) => {
          this.#waiting.add(resolve)
          signal.addEventListener('abort', () => resolve())
        })
      }
    }
  }
}

interface World extends AsyncDisposable {
  readonly api: ApiServer
  readonly logs: FakeLogs
  /** Of nodes n1, n2 and n3: n1 answers the client, n3 cannot be reached. */
  readonly tasks: readonly string[]
  /** Breaks what n2 is sending, as a cut cable would. */
  readonly cut: () => void
}

async function world(overrides: Partial<ApiDeps> = {}): Promise<World> {
  const logs = new FakeLogs()
  const agent = new Agent()
  const nowhere = new Agent()
  let second: ApiServer | null = null
  const api = await startApi({
    taskLogs: logs.read,
    dialLogs: (node) =>
      node === api.mesh.nodeIds[1]
        ? {
            target: `http://n2`,
            agent: Object.assign(agent, { options: { socketPath: second?.socketPath } }),
          }
        : { target: 'http://127.0.0.1:9', agent: nowhere },
    ...overrides,
  })
  const caller = { kind: 'peer', node: api.mesh.self } as const
  second = await startApi({ view: api.mesh.view, taskLogs: logs.read }, { caller })
  const spec = { ...webSpec, Mode: { Replicated: { Replicas: 3 } } }
  await api.call('POST', '/services/create', spec)
  const tasks = api.mesh.view().catalog.list('task')
  const bySlot = tasks.toSorted((left, right) => slotOf(left.body) - slotOf(right.body))
  return {
    api,
    logs,
    tasks: bySlot.map(({ id }) => id),
    cut: () => {
      for (const sockets of Object.values(agent.sockets)) sockets?.forEach((each) => each.destroy())
    },
    async [Symbol.asyncDispose]() {
      agent.destroy()
      await api[Symbol.asyncDispose]()
      await second?.[Symbol.asyncDispose]()
    },
  }
}

const slotOf = (body: unknown): number => (body as Task).Slot ?? 0

interface Frame {
  readonly stream: number
  readonly text: string
}

/** What came so far, as frames. */
interface Open {
  readonly response: IncomingMessage
  readonly frames: () => Frame[]
  readonly texts: () => string[]
  readonly ended: Promise<void>
  close(): void
}

function open({ api }: World, path: string): Promise<Open> {
  return new Promise((resolve, reject) => {
    const req = request({ socketPath: api.socketPath, path: `/v1.50${path}`, agent: false })
    req.once('error', reject)
    req.once('response', (response: IncomingMessage) => {
      let bytes = Buffer.alloc(0)
      response.on('data', (chunk: Buffer) => (bytes = Buffer.concat([bytes, chunk])))
      response.on('error', () => {})
      const frames = (): Frame[] => framesOf(bytes)
      resolve({
        response,
        frames,
        texts: () => frames().map(({ text }) => text.trimEnd()),
        ended: new Promise((done) => response.once('close', () => done())),
        close: () => req.destroy(),
      })
    })
    req.end()
  })
}

function framesOf(bytes: Buffer): Frame[] {
  const frames: Frame[] = []
  for (let start = 0; start + 8 <= bytes.length;) {
    const end = start + 8 + bytes.readUInt32BE(start + 4)
    frames.push({ stream: bytes[start] ?? 0, text: bytes.toString('utf8', start + 8, end) })
    start = end
  }
  return frames
}

const both = 'stdout=1&stderr=1'
const missing = 'meshd: node n3 cannot be reached: its log lines are missing'

test('lines of all nodes come by time, and a node that is away is named on stderr', async () => {
  await using world1 = await world()
  const { logs, tasks } = world1
  const [one = '', two = ''] = tasks
  logs.print(one, line(1, 'a'), line(4, 'd', 'stderr'))
  logs.print(two, line(2, 'b'), line(3, 'c'), line(5, 'e'))
  const answer = await open(world1, `/services/web/logs?${both}`)
  await answer.ended
  const type = answer.response.headers['content-type']
  assert.equal(type, 'application/vnd.docker.multiplexed-stream')
  assert.deepEqual(answer.texts(), ['a', 'b', 'c', 'd', 'e', missing])
  assert.deepEqual(
    answer.frames().map(({ stream }) => stream),
    [1, 1, 1, 2, 1, 2],
  )
})

test('times and details stand where docker has them', async () => {
  await using world1 = await world()
  const { api, logs, tasks } = world1
  const [, two = ''] = tasks
  logs.print(two, { ...line(2, 'b'), attributes: 'color=red' })
  const answer = await open(world1, `/tasks/${two}/logs?${both}&details=1&timestamps=1`)
  await answer.ended
  const context = [
    'color=red',
    `com.docker.swarm.node.id=${api.mesh.nodeIds[1]}`,
    `com.docker.swarm.service.id=${api.mesh.view().catalog.list('service')[0]?.id}`,
    `com.docker.swarm.task.id=${two}`,
  ]
  assert.deepEqual(answer.texts(), [`${at(2)} ${context.join(',')} b`])
})

test('tail counts for each task, and one stream alone can be had', async () => {
  await using world1 = await world()
  const { logs, tasks } = world1
  const [one = '', two = ''] = tasks
  logs.print(one, line(1, 'a'), line(4, 'd'))
  logs.print(two, line(2, 'b'), line(3, 'c'))
  const answer = await open(
    world1,
    `/services/web/logs?stdout=1&tail=1&since=${Date.UTC(2026, 0) / 1000}`,
  )
  await answer.ended
  assert.deepEqual(answer.texts().slice(0, 2), ['c', 'd'])
  const asked = logs.queries.map(({ query }) => [query.stdout, query.stderr, query.since])
  assert.deepEqual(asked[0], [true, false, at(0)])
})

test('what cannot be asked for is refused', async () => {
  await using world1 = await world()
  const { api } = world1
  assert.equal((await api.call('GET', '/services/web/logs')).status, 400)
  assert.equal((await api.call('GET', '/services/web/logs?stdout=1&tail=x')).status, 400)
  assert.equal((await api.call('GET', '/services/web/logs?stdout=1&since=x')).status, 400)
  assert.equal((await api.call('GET', '/services/no/logs?stdout=1')).status, 404)
  assert.equal((await api.call('GET', '/tasks/no/logs?stdout=1')).status, 404)
})

test('only managers may ask a node for what its tasks printed', async () => {
  await using stranger = await startApi({}, { caller: { kind: 'peer', node: 'x' as never } })
  assert.equal((await stranger.call('GET', '/mesh/logs?stdout=1')).status, 403)
})

test('a stream that is followed goes on after a cut without repeating, and takes later tasks in', async () => {
  await using world1 = await world()
  const { api, logs, tasks, cut } = world1
  const [one = '', two = ''] = tasks
  logs.print(one, line(1, 'a'))
  logs.print(two, line(2, 'b'), line(2, 'b again'))
  const answer = await open(world1, `/services/web/logs?${both}&follow=1`)
  const told = (...wanted: string[]): Promise<void> =>
    eventually(() =>
      assert.deepEqual(
        answer.texts().filter((text) => text !== missing),
        wanted,
      ),
    )
  await told('a', 'b', 'b again')
  cut()
  logs.print(two, line(3, 'c'))
  const lost = missing.replace('n3', 'n2')
  await told('a', 'b', 'b again', lost, 'meshd: node n2 answers again', 'c')

  const { json } = await api.call('GET', '/services/web')
  const { Version, Spec } = json as { Version: { Index: number }; Spec: object }
  const scaled = { ...Spec, Mode: { Replicated: { Replicas: 4 } } }
  await api.call('POST', `/services/web/update?version=${Version.Index}`, scaled)
  const later = api.mesh
    .view()
    .catalog.list('task')
    .find(({ body }) => slotOf(body) === 4)
  logs.print(later?.id ?? '', line(4, 'later'))
  await eventually(() => assert.ok(answer.texts().includes('later')))
  answer.close()
})

test('a log that its engine does not give is named with its node', async () => {
  await using world1 = await world({
    // eslint-disable-next-line require-yield
    async *taskLogs(): AsyncGenerator<LogLine> {
      throw new Error('no answer within 15 s')
    },
  })
  const answer = await open(world1, `/services/web/logs?${both}`)
  await answer.ended
  const [one] = world1.tasks
  const said = `meshd: the log of task ${one} on node n1 cannot be read: no answer within 15 s`
  assert.ok(answer.texts().includes(said), answer.texts().join('\n'))
})

test('a reader that does not read holds its node back', async () => {
  let printed = 0
  await using world1 = await world({
    async *taskLogs(): AsyncGenerator<LogLine> {
      for (; printed < 100_000; printed++) yield line(1, 'x'.repeat(1_000))
    },
  })
  const path = `/v1.50/services/web/logs?${both}`
  const req = request({ socketPath: world1.api.socketPath, path, agent: false })
  const response = await new Promise<IncomingMessage>((resolve) => {
    req.once('response', resolve)
    req.end()
  })
  let before = -1
  await eventually(() => {
    const isStill = printed === before && printed > 0
    before = printed
    assert.ok(isStill)
  })
  assert.ok(printed < 10_000, `${printed} lines were read for nobody`)
  response.destroy()
})
