import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { StreamedLog, type StreamedLogOptions } from '../../../src/runtime/streamed-log.ts'
import { FakeClock } from '../../support/fake-clock.ts'

let dir: string
let path: string
let descriptor: number

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'streamed-'))
  path = join(dir, 'log')
  descriptor = openSync(path, 'a')
})

afterEach(() => {
  closeSync(descriptor)
  rmSync(dir, { recursive: true })
})

function open(more: Partial<StreamedLogOptions> = {}): StreamedLog {
  const facts = { name: 'n1', area: 'access', message: 'request' } as const
  return new StreamedLog({ format: 'json', ...facts, descriptor, ...more })
}

test('lines have the shape of the log, each a JSON object', async () => {
  await open().write([{ path: '/a' }, { path: '/b\n' }])
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  const parsed = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.deepEqual(
    parsed.map(({ node, area, msg, path: asked }) => [node, area, msg, asked]),
    [
      ['n1', 'access', 'request', '/a'],
      ['n1', 'access', 'request', '/b\n'],
    ],
  )
})

test('many lines come whole and in order, however many calls they come in', async () => {
  const log = open()
  const calls = Array.from({ length: 20 }, (_, call) =>
    log.write(Array.from({ length: 50 }, (_each, at) => ({ at: 50 * call + at }))),
  )
  await log.settled(new FakeClock())
  await Promise.all(calls)
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  const numbers = lines.map((line) => (JSON.parse(line) as { at: number }).at)
  assert.deepEqual(numbers, [...Array.from({ length: 1000 }).keys()])
})

test('people read them as they read the log', async () => {
  await open({ format: 'pretty' }).write([{ path: '/a', status: 200 }])
  assert.match(readFileSync(path, 'utf8'), / info {2}n1 access request path=\/a status=200\n$/)
})

test('a reader that is gone costs the lines, and nothing else', async () => {
  const gone = open({ descriptor: 1_000_000 })
  await gone.write([{ path: '/a' }])
  await gone.write([{ path: '/b' }])
})
