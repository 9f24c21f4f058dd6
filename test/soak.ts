/**
 * What takes longer than every change can wait for: `bin/node test/soak.ts [--soak NAME …]
 * [--seed N]`, all of it by default, one after the other. The last line counts.
 */
import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const root = join(import.meta.dirname, '..')

interface SoakJob {
  readonly name: string
  readonly files: readonly string[]
  /** What makes the same tests long. */
  readonly env: Readonly<Record<string, string>>
}

const jobs: readonly SoakJob[] = [
  {
    name: 'linearizable',
    files: ['test/e2e/linearizable.test.ts'],
    env: { MESH_LINEARIZABLE_OPERATIONS: '100000' },
  },
  {
    name: 'membership',
    files: ['test/e2e/membership-stress.test.ts'],
    env: { MESH_STRESS_NODES: '50', MESH_STRESS_SECONDS: '300' },
  },
  {
    name: 'drain',
    files: ['test/e2e/drain.test.ts'],
    env: { MESH_DRAIN_REQUESTS: '200000' },
  },
  {
    name: 'fuzz',
    files: globSync('test/fuzz/*.test.ts', { cwd: root }).toSorted(),
    env: { MESH_FUZZ_INPUTS: '10000000' },
  },
  {
    name: 'containers',
    files: ['test/src/containers/docker-rounds.test.ts', 'test/src/containers/leak.test.ts'],
    env: { MESH_LEAK_ROUNDS: '1000' },
  },
]

function run(job: SoakJob, seed: string): Promise<boolean> {
  const env = { ...process.env, ...job.env, MESH_SEED: seed }
  const child = spawn(process.execPath, ['--test', ...job.files], {
    cwd: root,
    env,
    stdio: 'inherit',
  })
  return new Promise((resolve) => child.once('exit', (code) => resolve(code === 0)))
}

const { values } = parseArgs({
  options: {
    soak: { type: 'string', multiple: true, default: jobs.map(({ name }) => name) },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
})
const failed: string[] = []
let passed = 0
for (const job of jobs.filter(({ name }) => values.soak.includes(name))) {
  const startedMs = performance.now()
  console.log(`${job.name}, seed ${values.seed}`)
  if (await run(job, values.seed)) passed++
  else failed.push(job.name)
  console.log(`${job.name} took ${Math.round((performance.now() - startedMs) / 1000)} s`)
}
console.log(`${passed} passed, ${failed.length} failed${failed.map((name) => ` ${name}`).join('')}`)
process.exit(failed.length > 0 || passed === 0 ? 1 : 0)
