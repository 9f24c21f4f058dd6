import assert from 'node:assert/strict'
import { get } from 'node:http'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { MeshError } from '../../../mesh/base/mesh-error.ts'
import type {
  ContainerEngine,
  ContainerRequest,
  ContainerState,
} from '../../../src/containers/container-engine.ts'
import type { LogLine, LogQuery } from '../../../src/model/log-line.ts'
import { containerRequest } from './container-request.ts'
import { eventually } from '../../support/eventually.ts'

export interface EngineUnderTest {
  readonly engine: ContainerEngine
  /** An image with a POSIX shell. */
  readonly image: string
  close(): Promise<void>
}

/** A container runs before its shell has set a trap. */
const trapTakesMs = 500
const wholeLog: LogQuery = {
  stdout: true,
  stderr: true,
  follow: false,
  tail: null,
  since: null,
  until: null,
}
const stopSoon = { signal: null, graceMs: 5_000 }

const textOf = (lines: readonly LogLine[]): string =>
  lines.map(({ stream, text }) => `${stream} ${text.toString()}`).join('')

/** Without keep-alive: the built-in server waits for its connections when it ends. */
function getOnce(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => resolve(text(response))).once('error', reject)
  })
}

/** What `ContainerEngine` promises, whoever implements it. */
export function engineContract(name: string, open: () => Promise<EngineUnderTest>): void {
  describe(`${name} keeps the engine's contract`, () => {
    let subject: EngineUnderTest
    let drawn = 0

    const shell = (script: string, given: Partial<ContainerRequest> = {}): ContainerRequest =>
      containerRequest(`task${++drawn}`, {
        image: subject.image,
        command: ['sh', '-c'],
        args: [script],
        ...given,
      })

    const run = async (request: ContainerRequest): Promise<string> => {
      const { id } = await subject.engine.create(request)
      await subject.engine.start(id)
      return id
    }

    const ended = (id: string): Promise<ContainerState> =>
      eventually(async () => {
        const state = await subject.engine.inspect(id)
        assert.ok(state !== null && !state.running && state.exitCode !== null)
        return state
      })

    before(async () => {
      subject = await open()
    })
    after(() => subject.close())

    test('it describes the machine', async () => {
      const facts = await subject.engine.describe()
      assert.ok(facts.memoryBytes > 0)
      assert.ok(facts.nanoCpus >= 1e9)
      assert.match(facts.architecture, /^(x86_64|aarch64)$/)
      assert.equal(facts.os, 'linux')
    })

    test('a created container waits, and is the same when created twice', async () => {
      const request = shell('true')
      const { id } = await subject.engine.create(request)
      assert.equal((await subject.engine.create(request)).id, id)
      const state = await subject.engine.inspect(id)
      assert.equal(state?.taskId, request.taskId)
      assert.equal(state?.running, false)
      assert.equal(state?.started, false)
      assert.equal(state?.exitCode, null)
      assert.ok((await subject.engine.list()).some((listed) => listed.id === id))
    })

    test('a started container runs and has a target for each of its ports', async () => {
      const id = await run(shell('exec sleep 60', { targetPorts: [80, 443] }))
      const state = await subject.engine.inspect(id)
      assert.equal(state?.running, true)
      assert.equal(state?.started, true)
      assert.ok((state?.pid ?? 0) > 0)
      assert.deepEqual(Object.keys(state?.targets ?? {}), ['80', '443'])
      assert.match(state?.targets['80'] ?? '', /^\d+\.\d+\.\d+\.\d+:\d+$/)
      await subject.engine.stop(id, { signal: 'SIGKILL', graceMs: 1_000 })
    })

    test('arguments and environment arrive as they are', async () => {
      const script = `[ "$1|$2|$COLOUR|$MESH_SLOT|$MESH_SERVICE" = 'a  b|$c|dark red|1|web' ] || exit 9`
      const id = await run(
        shell(script, { args: [script, 'sh', 'a  b', '$c'], env: ['COLOUR=dark red'] }),
      )
      assert.equal((await ended(id)).exitCode, 0)
    })

    test('its end, exit code and last line are told', async () => {
      const heard = new Set<string>()
      const unwatch = subject.engine.watch((id) => heard.add(id))
      const id = await run(shell('echo one; echo "two is bad" >&2; exit 3'))
      const state = await ended(id)
      assert.equal(state.exitCode, 3)
      assert.equal(state.lastLine, 'two is bad')
      assert.deepEqual(state.targets, {})
      await eventually(() => assert.ok(heard.has(id)))
      unwatch()
    })

    test('stop sends the signal that was asked for, to the main process', async () => {
      const id = await run(shell(`trap 'exit 7' USR1; echo up; while :; do sleep 0.1; done`))
      await sleep(trapTakesMs)
      await subject.engine.stop(id, { signal: 'USR1', graceMs: 5_000 })
      assert.equal((await ended(id)).exitCode, 7)
    })

    test('what ignores the signal is killed when its grace is over', async () => {
      const id = await run(shell(`trap '' TERM; while :; do sleep 0.1; done`))
      await sleep(trapTakesMs)
      await subject.engine.stop(id, { signal: 'SIGTERM', graceMs: 200 })
      assert.equal((await ended(id)).exitCode, 137)
    })

    test('stop and remove are fine with what has ended or is gone', async () => {
      const id = await run(shell('exit 0'))
      await ended(id)
      await subject.engine.stop(id, stopSoon)
      await subject.engine.remove(id)
      await subject.engine.remove(id)
      assert.equal(await subject.engine.inspect(id), null)
      assert.ok((await subject.engine.list()).every((listed) => listed.id !== id))
    })

    test('a command that does not exist is a fault that names it', async () => {
      const { id } = await subject.engine.create(
        shell('', { command: ['no-such-program'], args: ['x'] }),
      )
      await assert.rejects(subject.engine.start(id), (error) => {
        assert.ok(error instanceof MeshError)
        return error.message.includes('no-such-program')
      })
    })

    test('the built-in image answers on its target', async () => {
      const request = containerRequest(`task${++drawn}`, { targetPorts: [80] })
      const id = await run(request)
      const state = await subject.engine.inspect(id)
      const answer = await eventually(() => getOnce(`http://${state?.targets['80']}/`))
      assert.match(answer, new RegExp(`^task: ${request.taskId}\nslot: 1\nnode: node-1\nclient: `))
      await subject.engine.stop(id, stopSoon)
      assert.equal((await ended(id)).exitCode, 0)
    })

    test('what it printed can be read, followed to its end, and read from the middle', async () => {
      const request = shell('echo one; echo two >&2; sleep 0.5; echo three; printf four')
      const id = await run(request)
      const signal = AbortSignal.timeout(20_000)
      const read = async (query: Partial<LogQuery>): Promise<LogLine[]> => {
        const found: LogLine[] = []
        const lines = subject.engine.logs(request.taskId, { ...wholeLog, ...query }, signal)
        for await (const line of lines) found.push(line)
        return found
      }
      const followed = await read({ follow: true })
      assert.equal((await ended(id)).exitCode, 0)
      const followedLines = textOf(followed).split('\n').toSorted()
      assert.deepEqual(followedLines, ['stderr two', 'stdout four', 'stdout one', 'stdout three'])
      for (const { at } of followed) assert.match(at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/)
      assert.equal(textOf(await read({})), textOf(followed))
      const three = followed.find(({ text }) => text.toString() === 'three\n')
      assert.equal(textOf(await read({ since: three?.at ?? '' })), 'stdout three\nstdout four')
      assert.equal(textOf(await read({ tail: 1 })), 'stdout four')
      assert.equal(textOf(await read({ stdout: false })), 'stderr two\n')
      assert.deepEqual(await read({ until: '2001-01-01T00:00:00.000000000Z' }), [])
    })

    test('a task without a container has no log', async () => {
      const lines = subject.engine.logs('nobody', wholeLog, AbortSignal.timeout(20_000))
      for await (const line of lines) assert.fail(line.text.toString())
    })

    test('there is no container that nobody made', async () => {
      assert.equal(await subject.engine.inspect('0'.repeat(64)), null)
    })
  })
}
