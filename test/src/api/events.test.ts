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
  assert.equal(server.mesh.watcherCount, 1)
  left.close()
  await left.closed
  while (server.mesh.watcherCount > 0) await new Promise((resolve) => setImmediate(resolve))
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
