import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { silentLog } from '../../../mesh/base/log.ts'
import { EventLog, type StoredEvent } from '../../../src/api/event-log.ts'
import { EventFile } from '../../../src/meshd/event-file.ts'
import { systemClock } from '../../../src/runtime/system-clock.ts'
import { FakeMesh } from '../../support/fake-mesh.ts'

function folder(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'meshd-events-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return directory
}

const stored = (index: number, padding = ''): StoredEvent => ({
  index,
  event: {
    Type: 'service',
    Action: 'update',
    Actor: { ID: `s${index}`, Attributes: { padding } },
    scope: 'swarm',
    time: index,
    timeNano: index * 1e9,
  },
})

test('events are there again after a restart, without the half line of a crash', async (t) => {
  const directory = folder(t)
  {
    await using file = await EventFile.open(directory, silentLog)
    file.append([stored(1), stored(2)])
  }
  appendFileSync(join(directory, 'events/new.jsonl'), '{"index":3,"eve')
  {
    await using file = await EventFile.open(directory, silentLog)
    file.append([stored(4)])
  }
  await using file = await EventFile.open(directory, silentLog)
  assert.deepEqual(file.past, [stored(1), stored(2), stored(4)])
})

test('old events make room for new ones', async (t) => {
  const directory = folder(t)
  {
    await using file = await EventFile.open(directory, silentLog)
    for (let index = 0; index < 15; index++) {
      file.append([stored(index, 'x'.repeat(1024 * 1024))])
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  await using file = await EventFile.open(directory, silentLog)
  assert.equal(file.past.at(-1)?.index, 14)
  const bytes = ['old', 'new'].map((name) => statSync(join(directory, `events/${name}.jsonl`)).size)
  assert.ok(Math.max(...bytes) < 16 * 1024 * 1024)
})

test('a restarted manager goes on with its events, and repeats none', async (t) => {
  const directory = folder(t)
  const mesh = new FakeMesh(systemClock)
  const watchView = (listener: () => void): (() => void) => mesh.watchCatalog(() => listener())
  const open = async (): Promise<AsyncDisposable & { names: () => string[] }> => {
    const store = await EventFile.open(directory, silentLog)
    const deps = { node: mesh, view: mesh.view, watchView, clock: systemClock, store }
    const log = new EventLog(store.past, deps)
    const names = (): string[] =>
      Array.from({ length: log.next }, (_, at) => log.at(at)?.Actor.Attributes['name'] ?? '')
    return {
      names,
      async [Symbol.asyncDispose]() {
        log[Symbol.dispose]()
        await store[Symbol.asyncDispose]()
      },
    }
  }
  const create = (id: string): void => {
    const object = { kind: 'secret', id, claims: [], body: { Spec: { Name: id } } }
    mesh.apply([{ kind: 'create', object }])
  }
  {
    await using first = await open()
    create('one')
    assert.deepEqual(first.names(), ['one'])
  }
  await using second = await open()
  create('two')
  assert.deepEqual(second.names(), ['one', 'two'])
})
