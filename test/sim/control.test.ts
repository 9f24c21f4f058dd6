import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ControlSearch } from './control/control-search.ts'
import { simulateControl } from './control/simulation.ts'

const seeds = Number(process.env['MESH_SIM_CONTROL_SEEDS'] ?? 30)

test('leaders, agents and engines keep every promise under every fault, and come to rest', async () => {
  const search = new ControlSearch({ firstSeed: 1, seeds, cpuSeconds: Infinity, failuresWanted: 1 })
  await search.run()
  const [failed] = search.failed
  assert.deepEqual(
    failed?.violations ?? [],
    [],
    `replay with: npm run sim -- --control --only --seed ${failed?.seed}`,
  )
  assert.equal(search.seeds, seeds)
  assert.ok(search.passes > seeds * 100, `${search.passes} passes`)
  assert.ok(search.starts > seeds * 30, `${search.starts} containers`)
  assert.ok(search.elections > seeds * 3, `${search.elections} elections`)
  assert.ok(search.faults.total > seeds * 50, `${search.faults.total} faults`)
})

test('a seed plays the same each time, and another one differently', async () => {
  const shortMs = 40_000
  const once = await simulateControl(7, shortMs)
  const again = await simulateControl(7, shortMs)
  const other = await simulateControl(8, shortMs)
  assert.equal(once.trace, again.trace)
  assert.deepEqual(once.faults.entries(), again.faults.entries())
  assert.notEqual(once.trace, other.trace)
})
