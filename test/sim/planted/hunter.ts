/** Runs in a copy of the sources with a bug in it; see `plant.ts`, which reads what it prints. */
import { RaftSearch } from '../raft-search.ts'
import type { Hunt } from './plant.ts'

const [failuresWanted = 1, cpuSeconds = 60] = process.argv.slice(2).map(Number)
const search = new RaftSearch({ firstSeed: 1, failuresWanted, cpuSeconds })
await search.run()
const found: Hunt = {
  failedSeeds: search.failed.map(({ seed }) => seed),
  rules: search.failed.map(({ violations }) => violations[0]?.rule ?? ''),
  failedAtCpuSeconds: search.failedAtCpuSeconds,
  cpuSeconds: search.cpuSeconds,
  seeds: search.seeds,
}
console.log(JSON.stringify(found))
process.exit(0)
