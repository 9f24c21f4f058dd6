import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { silentLog } from '../../../mesh/base/log.ts'
import { ProcessEngine } from '../../../src/containers/process-engine.ts'
import { systemClock } from '../../../src/runtime/system-clock.ts'
import { containerRequest } from './container-request.ts'

const openFiles = (): number => readdirSync('/proc/self/fd').length

/** All of them: MESH_LEAK_ROUNDS=1000. */
const rounds = Number(process.env['MESH_LEAK_ROUNDS'] ?? 50)

test('nothing is left of processes that come and go', async (t) => {
  const environment = { PATH: process.env['PATH'] }
  const engine = new ProcessEngine({ clock: systemClock, log: silentLog, environment })
  t.after(() => engine.close())
  const round = async (name: string): Promise<void> => {
    const { id } = await engine.create(containerRequest(name, { args: ['sleep', '60'] }))
    await engine.start(id)
    await engine.stop(id, { signal: null, graceMs: 5_000 })
    await engine.remove(id)
  }
  await round('first')
  const before = openFiles()
  for (let at = 0; at < rounds; at++) await round(`r${at}`)
  assert.deepEqual(await engine.list(), [])
  assert.ok(openFiles() <= before + 3, `${openFiles()} open files, ${before} at first`)
})
