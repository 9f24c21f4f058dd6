import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogQuery } from '../../../src/model/log-line.ts'
import { ProcessLog } from '../../../src/containers/process-log.ts'

const everything: LogQuery = {
  stdout: true,
  stderr: true,
  follow: false,
  tail: null,
  since: null,
  until: null,
}
const never = new AbortController().signal

async function read(log: ProcessLog, query: Partial<LogQuery> = {}): Promise<string[]> {
  const texts: string[] = []
  for await (const { text } of log.read({ ...everything, ...query }, never)) {
    texts.push(text.toString())
  }
  return texts
}

test('lines are put together from pieces, and each has a time of its own', async () => {
  const log = new ProcessLog(() => 1_000)
  log.push('stdout', Buffer.from('on'))
  log.push('stderr', Buffer.from('bad\n'))
  log.push('stdout', Buffer.from('e\ntwo\nthr'))
  assert.deepEqual(await read(log), ['bad\n', 'one\n', 'two\n'])
  log.end()
  assert.deepEqual(await read(log, { stderr: false }), ['one\n', 'two\n', 'thr'])
  const times = new Set<string>()
  for await (const { at } of log.read(everything, never)) times.add(at)
  assert.equal(times.size, 4)
  assert.deepEqual([...times], [...times].toSorted())
  assert.equal([...times][1], '1970-01-01T00:00:01.000000001Z')
})

test('tail, since and until choose', async () => {
  let nowMs = 0
  const log = new ProcessLog(() => nowMs)
  for (nowMs = 1_000; nowMs <= 5_000; nowMs += 1_000) {
    log.push(nowMs % 2_000 === 0 ? 'stderr' : 'stdout', Buffer.from(`${nowMs / 1_000}\n`))
  }
  assert.deepEqual(await read(log, { tail: 2 }), ['4\n', '5\n'])
  assert.deepEqual(await read(log, { tail: 2, stderr: false }), ['3\n', '5\n'])
  assert.deepEqual(await read(log, { tail: 0 }), [])
  const since = '1970-01-01T00:00:02.000000000Z'
  const until = '1970-01-01T00:00:04.000000000Z'
  assert.deepEqual(await read(log, { since, until }), ['2\n', '3\n', '4\n'])
})

test('a flood keeps the newest within bounds, and an endless line comes in pieces', async () => {
  const log = new ProcessLog(() => 0, 100_000)
  for (let line = 0; line < 10_000; line++) log.push('stdout', Buffer.from(`line ${line}\n`))
  const kept = await read(log)
  assert.ok(kept.length < 1_000)
  assert.equal(kept.at(-1), 'line 9999\n')
  assert.equal(log.lastLine(), 'line 9999')
  log.push('stdout', Buffer.from(`${'x'.repeat(40_000)}\n\n  \n`))
  assert.match(log.lastLine() ?? '', /^x{200}$/)
  const pieces = (await read(log)).filter((text) => text.startsWith('x'))
  assert.deepEqual(
    pieces.map((text) => text.length),
    [16_384, 16_384, 7_233],
  )
  assert.equal(new ProcessLog(() => 0).lastLine(), null)
})

test('a follower hears what is printed later, until the program ends or it goes away', async () => {
  const log = new ProcessLog(() => 0)
  log.push('stdout', Buffer.from('early\n'))
  const follow = { ...everything, follow: true }
  const seen = read(log, { follow: true, tail: 0 })
  const leaving = new AbortController()
  const left = log.read(follow, leaving.signal)
  assert.equal((await left.next()).value?.text.toString(), 'early\n')
  const pending = left.next()
  leaving.abort()
  assert.equal((await pending).done, true)
  log.push('stdout', Buffer.from('late\n'))
  log.push('stdout', Buffer.from('rest'))
  log.end()
  assert.deepEqual(await seen, ['late\n', 'rest'])
})
