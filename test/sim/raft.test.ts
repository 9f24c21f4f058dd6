import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulateRaft } from './raft-simulation.ts'
import { RegisterChecker } from './register-checker.ts'
import { RaftSearch } from './raft-search.ts'

const cpuSeconds = Number(process.env['MESH_SIM_CPU_SECONDS'] ?? 20)

test('whole clusters keep every promise under every fault, and go on when it is over', async () => {
  const search = new RaftSearch({ firstSeed: 1, cpuSeconds, failuresWanted: 1 })
  await search.run()
  const [failed] = search.failed
  const seed = failed?.seed ?? 0
  assert.deepEqual(
    failed?.violations ?? [],
    [],
    `replay with: npm run sim -- --only --seed ${seed}`,
  )
  assert.ok(search.elections > search.seeds * 10, `${search.elections} elections`)
  assert.ok(search.faults.total > search.seeds * 200, `${search.faults.total} faults`)
  assert.ok(search.operations > search.seeds * 100, `${search.operations} operations`)
})

test('a seed plays the same each time, and another one differently', async () => {
  const shortMs = 40_000
  const once = await simulateRaft(7, shortMs)
  const again = await simulateRaft(7, shortMs)
  const other = await simulateRaft(8, shortMs)
  assert.equal(once.trace, again.trace)
  assert.deepEqual(once.faults.entries(), again.faults.entries())
  assert.notEqual(once.trace, other.trace)
})

test('the judge of registers knows a stale read, a lost write and two values of one version', () => {
  const fair = broken((checker) => {
    const early = checker.begin('k')
    checker.wrote(checker.begin('k'), 5, 'x')
    // It began before the write ended: either value will do.
    checker.read(early, 3, 'w')
    checker.read(checker.begin('k'), 5, 'x')
  })
  assert.deepEqual(fair, [])
  const stale = broken((checker) => {
    checker.wrote(checker.begin('k'), 5, 'x')
    checker.read(checker.begin('k'), 3, 'w')
  })
  assert.deepEqual(stale, ['linearizable reads'])
  const early = broken((checker) => {
    checker.read(checker.begin('k'), 5, 'x')
    checker.wrote(checker.begin('k'), 4, 'y')
  })
  assert.deepEqual(early, ['linearizable writes'])
  const twice = broken((checker) => {
    checker.wrote(checker.begin('k'), 5, 'x')
    checker.read(checker.begin('k'), 5, 'y')
  })
  assert.deepEqual(twice, ['one value a version'])
})

/** The rules that a history breaks. */
function broken(act: (checker: RegisterChecker) => void): string[] {
  const rules: string[] = []
  act(new RegisterChecker((rule) => rules.push(rule)))
  return rules
}
