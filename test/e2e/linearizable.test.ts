import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeRun, runLinearizable } from '../support/linearizable-run.ts'
import { cuttingUnavailable, type FaultKind } from '../support/nemesis.ts'

const operations = Number(process.env['MESH_LINEARIZABLE_OPERATIONS'] ?? '10000')
const minMs = 60_000
/** A busy machine gets many times what it takes: some 6 ms each. */
const limitMs = operations * 40
const seed = Number(process.env['MESH_SEED'] ?? '1')

test('what clients are told is linearizable under kill -9, SIGSTOP and cut connections', async (t) => {
  const noCuts = cuttingUnavailable()
  const mustCut = process.env['MESH_REQUIRE_ROOT'] === '1'
  assert.ok(noCuts === null || !mustCut, `connections must be cut, but ${noCuts}`)
  const kinds: FaultKind[] = noCuts === null ? ['kill', 'pause', 'cut'] : ['kill', 'pause']

  const size = { operations, minMs, limitMs }
  const report = await runLinearizable({ block: '127.0.28', seed, kinds, ...size })

  t.diagnostic(describeRun(report, seed))
  assert.deepEqual(report.verdict, { kind: 'linearizable' })
  assert.ok(report.operations >= operations, `only ${report.operations} operations`)
  for (const kind of kinds) assert.ok(report.faults[kind] >= 3, `${report.faults[kind]} ${kind}`)
})
