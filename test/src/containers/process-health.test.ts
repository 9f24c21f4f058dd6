import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { silentLog } from '../../../mesh/base/log.ts'
import { isEngineFault } from '../../../src/containers/engine-fault.ts'
import { ProcessEngine } from '../../../src/containers/process-engine.ts'
import { systemClock } from '../../../src/runtime/system-clock.ts'
import { eventually } from '../../support/eventually.ts'
import { containerRequest } from './container-request.ts'

const ms = 1e6

function open(t: TestContext): { engine: ProcessEngine; dir: string } {
  const dir = mkdtempSync(join(tmpdir(), 'meshd-health-'))
  const environment = { PATH: process.env['PATH'] }
  const engine = new ProcessEngine({ clock: systemClock, log: silentLog, environment })
  t.after(async () => {
    await engine.close()
    rmSync(dir, { recursive: true })
  })
  return { engine, dir }
}

test('a process is healthy when its check says so, and unhealthy with what that said', async (t) => {
  const { engine, dir } = open(t)
  const Test = ['CMD-SHELL', 'test -e good || { echo not good; false; }']
  const Healthcheck = {
    Test,
    Interval: 20 * ms,
    Retries: 2,
    StartPeriod: 60e9,
    StartInterval: 20 * ms,
  }
  const settings = { Dir: dir, Hostname: 'me', Healthcheck }
  const args = ['sh', '-c', 'echo "$HOSTNAME" > name; exec sleep 60']
  const { id } = await engine.create(containerRequest('h1', { args, settings }))
  await engine.start(id)
  assert.equal((await engine.inspect(id))?.health, 'starting')
  const becomes = (health: string): Promise<unknown> =>
    eventually(async () => assert.equal((await engine.inspect(id))?.health, health))
  writeFileSync(join(dir, 'good'), '')
  await becomes('healthy')
  rmSync(join(dir, 'good'))
  await becomes('unhealthy')
  assert.equal((await engine.inspect(id))?.healthOutput, 'not good')
})

test('a task with a port of the node listens on that port', async (t) => {
  const { engine } = open(t)
  const hostPorts = [{ protocol: 'tcp', targetPort: 80, publishedPort: 18_099 }] as const
  const request = containerRequest('p1', {
    args: ['sh', '-c', 'echo "$HOST:$PORT"; exit 1'],
    hostPorts,
    targetPorts: [80],
  })
  const { id } = await engine.create(request)
  await engine.start(id)
  const state = await eventually(async () => {
    const seen = await engine.inspect(id)
    assert.equal(seen?.running, false)
    return seen
  })
  assert.equal(state?.lastLine, '0.0.0.0:18099')
})

const refusedBecause =
  (because: string) =>
  (error: unknown): boolean => {
    assert.ok(isEngineFault(error))
    assert.deepEqual(error.fault, { code: 'engine/refused', because })
    return true
  }

test('what only a container can be given is refused by name', async (t) => {
  const { engine } = open(t)
  const mount = { Mounts: [{ Type: 'tmpfs', Target: '/x' }] } as const
  const request = containerRequest('m1', { args: ['true'], settings: mount })
  await assert.rejects(engine.create(request), refusedBecause('the process runtime has no Mounts'))
  const logged = containerRequest('m2', { args: ['true'], logDriver: { Name: 'syslog' } })
  await assert.rejects(
    engine.create(logged),
    refusedBecause('the process runtime has no LogDriver'),
  )
})

test('a folder that does not exist is a fault that names it', async (t) => {
  const { engine } = open(t)
  const settings = { Dir: '/no/such/folder' }
  const { id } = await engine.create(containerRequest('d1', { args: ['true'], settings }))
  await assert.rejects(engine.start(id), /\/no\/such\/folder/)
})
