import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import type { StoredObject } from '../../../mesh/catalog/types.ts'
import { EventJournal, type ApiEvent } from '../../../src/api/event-journal.ts'
import { startApi, type ApiServer } from '../../support/api-server.ts'
import { webSpec } from './service-spec.ts'

interface Stream {
  /** The next whole event. */
  next(): Promise<ApiEvent>
  close(): void
  readonly closed: Promise<void>
}

function openEvents(server: ApiServer, query = ''): Promise<Stream> {
  const lines: string[] = []
  const waiting: ((line: string) => void)[] = []
  let rest = ''
  return new Promise((resolve, reject) => {
    const path = `/v1.50/events${query}`
    const req = request({ socketPath: server.socketPath, path, agent: false }, (res) => {
      res.on('data', (chunk: Buffer) => {
        const parts = (rest + chunk.toString()).split('\n')
        rest = parts.pop() ?? ''
        for (const line of parts) {
          const taker = waiting.shift()
          if (taker === undefined) lines.push(line)
          else taker(line)
        }
      })
      resolve({
        next: async () => {
          const line = lines.shift() ?? (await new Promise<string>((take) => waiting.push(take)))
          return JSON.parse(line) as ApiEvent
        },
        close: () => req.destroy(),
        closed: new Promise((done) => res.once('close', () => done())),
      })
    })
    req.once('error', reject)
    req.end()
  })
}

test('what happens to services and nodes is told as it happens', async () => {
  await using server = await startApi()
  const stream = await openEvents(server, '?filters={"type":["service"]}')
  const { json } = await server.call('POST', '/services/create', webSpec)
  const { ID } = json as { ID: string }
  const created = await stream.next()
  assert.deepEqual([created.Type, created.Action, created.Actor.ID], ['service', 'create', ID])
  assert.equal(created.Actor.Attributes['name'], 'web')
  const spec = { ...webSpec, Mode: { Replicated: { Replicas: 3 } } }
  const { json: shown } = await server.call('GET', '/services/web')
  const version = (shown as { Version: { Index: number } }).Version.Index
  await server.call('POST', `/services/web/update?version=${version}`, spec)
  const updated = await stream.next()
  assert.deepEqual(updated.Actor.Attributes, {
    name: 'web',
    'replicas.old': '1',
    'replicas.new': '3',
  })
  await server.call('DELETE', '/services/web')
  assert.equal((await stream.next()).Action, 'remove')
  stream.close()
})

test('a stream ends at its time, and nobody watches for a client that went away', async () => {
  await using server = await startApi()
  const ended = await openEvents(server, '?until=1')
  await ended.closed
  const left = await openEvents(server)
  assert.equal(server.events.watcherCount, 1)
  left.close()
  await left.closed
  while (server.events.watcherCount > 0) await new Promise((resolve) => setImmediate(resolve))
})

function nodeObject(id: string, availability: string, version: number): StoredObject {
  const Spec = { Role: 'worker', Availability: availability }
  const body = { Spec, Description: { Hostname: id }, Status: { State: 'ready' } }
  return { kind: 'node', id, claims: [], body, version, createdAtMs: 0, updatedAtMs: 5000 }
}

test('a table that starts anew tells only what is different in it', () => {
  const journal = new EventJournal()
  const reset = (upserts: StoredObject[]): ApiEvent[] =>
    journal.read({ index: 1, reset: true, upserts, removals: [] }, 9000)
  const kept = nodeObject('kept', 'active', 1)
  const before = [kept, nodeObject('a', 'active', 1), nodeObject('b', 'active', 1)]
  assert.deepEqual(reset(before), [])
  const events = reset([kept, nodeObject('b', 'drain', 2), nodeObject('c', 'active', 3)])
  assert.deepEqual(
    events.map(({ Action, Actor, time }) => [Action, Actor.ID, time]),
    [
      ['remove', 'a', 9],
      ['update', 'b', 5],
      ['create', 'c', 5],
    ],
  )
})

const names = async (server: ApiServer, query: string): Promise<string[]> => {
  const { text } = await server.call('GET', `/events?${query}`)
  const events = text.split('\n').filter((each) => each !== '')
  return events.map((each) => {
    const { Type, Action, Actor } = JSON.parse(each) as ApiEvent
    return `${Type} ${Action} ${Actor.Attributes['name']}`
  })
}

test('what happened before is told again, by time and by filter', async () => {
  await using server = await startApi()
  await server.call('POST', '/services/create', webSpec)
  await server.call('DELETE', '/services/web')
  const now = (Date.now() / 1000 + 0.05).toFixed(3)
  const services = 'filters={"type":["service"]}'
  assert.deepEqual(await names(server, `until=${now}&${services}`), [
    'service create web',
    'service remove web',
  ])
  assert.deepEqual(await names(server, `since=${now}&until=${now}`), [])
  const [id] = server.mesh.view().catalog.list('task')
  assert.equal(id, undefined)
  const tasks = await names(server, `since=1&until=${now}&filters={"service":["web"]}`)
  assert.equal(tasks.length, 4)
  assert.match(tasks[1] ?? '', /^task create web\.1\./)
  assert.match(tasks[3] ?? '', /^task remove web\.1\./)
  assert.equal((await server.call('GET', '/events?since=x')).status, 400)
})

const taskObject = (version: number, State: string, Err: string, ExitCode = 0): StoredObject => ({
  kind: 'task',
  id: 't1',
  claims: [],
  version,
  createdAtMs: 0,
  updatedAtMs: 5000,
  body: {
    ServiceID: 's1',
    ServiceName: 'web',
    Slot: 2,
    DesiredState: 'running',
    Status: { Timestamp: '', State, Err, Message: 'as it said', ContainerStatus: { ExitCode } },
  },
})

test('a task tells from which state it came, and why', () => {
  const journal = new EventJournal()
  const read = (upsert: StoredObject, reset = false): ApiEvent[] =>
    journal.read({ index: upsert.version, reset, upserts: [upsert], removals: [] }, 9000)
  read(taskObject(1, 'running', ''), true)
  assert.deepEqual(read(taskObject(2, 'running', '')), [])
  const [failed] = read(taskObject(3, 'failed', 'task: non-zero exit (3)', 3))
  assert.deepEqual(failed?.Actor.Attributes, {
    name: 'web.2.t1',
    'service.id': 's1',
    'service.name': 'web',
    'state.old': 'running',
    'state.new': 'failed',
    reason: 'task: non-zero exit (3)',
    exitCode: '3',
  })
})

test('a manager that leads or cannot be reached any more is told of', async () => {
  await using server = await startApi()
  const stream = await openEvents(server, '?filters={"type":["node"]}')
  const [, second] = server.mesh.nodeIds
  server.mesh.leaderId = second ?? null
  const changed = [await stream.next(), await stream.next()].map(({ Actor }) => Actor.Attributes)
  const byName = changed.toSorted((left, right) =>
    (left['name'] ?? '').localeCompare(right['name'] ?? ''),
  )
  assert.deepEqual(byName, [
    { name: 'n1', 'leader.old': 'true', 'leader.new': 'false' },
    { name: 'n2', 'leader.old': 'false', 'leader.new': 'true' },
  ])
  stream.close()
})
