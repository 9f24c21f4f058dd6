import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { silentLog } from '../../../mesh/base/log.ts'
import { isEngineFault } from '../../../src/containers/engine-fault.ts'
import { ProcessEngine } from '../../../src/containers/process-engine.ts'
import { systemClock } from '../../../src/runtime/system-clock.ts'
import { eventually } from '../../support/eventually.ts'
import { containerRequest } from './container-request.ts'
import { engineContract } from './engine-contract.ts'

const newEngine = (): ProcessEngine =>
  new ProcessEngine({ clock: systemClock, log: silentLog, environment: process.env })

function openEngine(t: TestContext): ProcessEngine {
  const engine = newEngine()
  t.after(() => engine.close())
  return engine
}

/** Zombies, which nobody may have reaped yet, are dead. */
function isAlive(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  return !/^\d+ \(.*\) [ZX]/.test(stat)
}

engineContract('ProcessEngine', () => {
  const engine = newEngine()
  return Promise.resolve({ engine, image: 'any/name', close: () => engine.close() })
})

test('a task with neither command nor arguments is refused, with the reason', async (t) => {
  const engine = openEngine(t)
  const request = containerRequest('t1', { image: 'nginx:alpine' })
  await assert.rejects(engine.create(request), (error) => {
    assert.ok(isEngineFault(error))
    assert.equal(error.fault.code, 'engine/refused')
    assert.match(error.fault.because, /image nginx:alpine without a command/)
    return true
  })
  await engine.create({ ...request, taskId: 't2', args: ['true'] })
  await engine.create({ ...request, taskId: 't3', image: 'meshd/whoami:latest' })
})

test('tasks get ports of their own, and the spec cannot change PORT and HOST', async (t) => {
  const engine = openEngine(t)
  const folder = mkdtempSync(join(tmpdir(), 'meshd-process-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const ports = new Set<string>()
  for (const taskId of ['t1', 't2']) {
    const { id } = await engine.create(
      containerRequest(taskId, {
        command: ['sh', '-c', 'echo "$HOST:$PORT:$HOME" > "$OUT"; exec sleep 60'],
        env: ['PORT=80', 'HOST=0.0.0.0', 'HOME', `OUT=${folder}/${taskId}`],
        targetPorts: [8080],
      }),
    )
    await engine.start(id)
    const target = (await engine.inspect(id))?.targets['8080'] ?? ''
    ports.add(target)
    await eventually(() => {
      assert.equal(readFileSync(join(folder, taskId), 'utf8'), `${target}:\n`)
    })
  }
  assert.equal(ports.size, 2)
})

test('children that a task leaves behind end with it', async (t) => {
  const engine = openEngine(t)
  const { id } = await engine.create(
    containerRequest('t1', { command: ['sh', '-c', 'sleep 61 & echo $!; exit 0'] }),
  )
  await engine.start(id)
  const state = await eventually(async () => {
    const found = await engine.inspect(id)
    assert.equal(found?.exitCode, 0)
    return found
  })
  const left = Number(state?.lastLine)
  assert.ok(left > 0)
  await eventually(() => assert.ok(!isAlive(left)))
})

test('tasks end with the daemon, even when it is killed with SIGKILL', async (t) => {
  const daemon = spawn(process.execPath, [join(import.meta.dirname, 'process-engine-daemon.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => daemon.kill('SIGKILL'))
  const [line] = (await once(daemon.stdout, 'data')) as [Buffer]
  const pids = line.toString().trim().split(' ').map(Number)
  assert.equal(pids.length, 2)
  assert.ok(pids.every(isAlive))
  daemon.kill('SIGKILL')
  await once(daemon, 'exit')
  await eventually(() => assert.deepEqual(pids.filter(isAlive), []))
})
