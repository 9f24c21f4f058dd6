import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isWhoami } from '../../../src/containers/builtin-image.ts'
import { apiNeeds, minorOf } from '../../../src/containers/docker-api-needs.ts'
import { readDockerLog } from '../../../src/containers/docker-log-stream.ts'
import { lastLineOfLog } from '../../../src/containers/docker-state.ts'
import { readJsonLines } from '../../../src/containers/json-lines.ts'
import { exitCodeOf, stopSignalNumber } from '../../../src/containers/stop-signal.ts'

function frame(stream: number, text: string): Buffer {
  const head = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0])
  head.writeUInt32BE(text.length, 4)
  return Buffer.concat([head, Buffer.from(text)])
}

async function* cutBytes(bytes: Buffer): AsyncGenerator<Buffer> {
  for (const byte of bytes) yield Buffer.from([byte])
}

const cut = (text: string): AsyncGenerator<Buffer> => cutBytes(Buffer.from(text))

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
  assert.equal(lastLineOfLog(Buffer.concat([frame(2, 'why\n'), frame(1, 'done\n')])), 'why')
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

test("docker's log arrives whole however it was cut, framed and bare", async () => {
  const at = '2026-01-01T00:00:00.000000001Z'
  const framed = Buffer.concat([
    frame(1, `${at}  one word\n`),
    frame(2, `${at} color=red,size=1 two\n`),
    frame(1, `${at}  no end`),
  ])
  const read = async (bytes: Buffer, isTerminal: boolean): Promise<string[]> => {
    const found: string[] = []
    for await (const line of readDockerLog(cutBytes(bytes), isTerminal)) {
      found.push(`${line.at === at} ${line.stream} <${line.attributes}> ${line.text.toString()}`)
    }
    return found
  }
  assert.deepEqual(await read(framed, false), [
    'true stdout <> one word\n',
    'true stderr <color=red,size=1> two\n',
    'true stdout <> no end',
  ])
  assert.deepEqual(await read(Buffer.from(`${at}  one\r\n${at}  two\r\n${at}  no end`), true), [
    'true stdout <> one\r\n',
    'true stdout <> two\r\n',
    'true stdout <> no end',
  ])
  await assert.rejects(read(Buffer.from([1, 0, 0, 0, 255, 255, 255, 255]), false), /endless/)
})

test('fields that not every Docker knows are told with the API that brought them', () => {
  const Healthcheck = { Test: ['CMD', 'true'], StartInterval: 1e9 }
  const Mounts = [
    { Type: 'bind', Source: '/a', Target: '/a', BindOptions: { CreateMountpoint: true } },
    { Type: 'volume', Target: '/b', VolumeOptions: { Subpath: '', NoCopy: true } },
  ] as const
  assert.deepEqual(apiNeeds({ Healthcheck, Mounts }), [
    { field: 'Healthcheck.StartInterval', minor: 44 },
    { field: 'Mounts.CreateMountpoint', minor: 42 },
  ])
  assert.deepEqual(apiNeeds({ Healthcheck: { Test: ['CMD', 'true'] } }), [])
  assert.deepEqual(['1.41', '1.9', 'two'].map(minorOf), [41, 9, 0])
})
