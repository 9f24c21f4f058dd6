import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isWhoami } from '../../../src/containers/builtin-image.ts'
import { lastLineOfLog } from '../../../src/containers/docker-state.ts'
import { readJsonLines } from '../../../src/containers/json-lines.ts'
import { exitCodeOf, stopSignalNumber } from '../../../src/containers/stop-signal.ts'

function frame(stream: number, text: string): Buffer {
  const head = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0])
  head.writeUInt32BE(text.length, 4)
  return Buffer.concat([head, Buffer.from(text)])
}

async function* cut(text: string): AsyncGenerator<Buffer> {
  for (const byte of Buffer.from(text)) yield Buffer.from([byte])
}

test('stop signals are understood as docker writes them', () => {
  for (const text of ['SIGQUIT', 'quit', 'QUIT', '3']) assert.equal(stopSignalNumber(text), 3)
  for (const text of [null, 'SIGNONE', '999']) assert.equal(stopSignalNumber(text), 15)
  assert.equal(exitCodeOf(null, 'SIGKILL'), 137)
  assert.equal(exitCodeOf(4, null), 4)
})

test('the built-in image is known by its name, not by its neighbours', () => {
  for (const image of ['meshd/whoami', 'meshd/whoami:latest']) assert.ok(isWhoami(image))
  assert.ok(isWhoami(`meshd/whoami:latest@sha256:${'0'.repeat(64)}`))
  for (const image of ['whoami', 'meshd/whoami:2', 'x/meshd/whoami']) assert.ok(!isWhoami(image))
})

test("the last line is found in docker's framed log", () => {
  assert.equal(lastLineOfLog(Buffer.concat([frame(1, 'one\n'), frame(2, 'two\n')])), 'two')
  assert.equal(lastLineOfLog(Buffer.alloc(0)), null)
  assert.equal(lastLineOfLog(Buffer.from([1, 0, 0])), null)
})

test('objects of a stream arrive whole, however it was cut', async () => {
  const found: unknown[] = []
  const bytes = cut('{"a":"é"}\n\n{"b":2}')
  for await (const object of readJsonLines(bytes)) found.push(object)
  assert.deepEqual(found, [{ a: 'é' }, { b: 2 }])
  await assert.rejects(readJsonLines(cut('{"a":\n')).next(), /not JSON/)
})
