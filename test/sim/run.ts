/**
 * Whole clusters from seeds, until the time is over or a promise is broken:
 *
 *     bin/node test/sim/run.ts [--seed 1] [--minutes 1] [--until-failures 1] [--only]
 *
 * `--minutes` are of this processor's time. `--only` plays just the one seed, to look at a failure
 * again: a seed always plays the same. The exit code says whether all seeds passed.
 */
import { parseArgs } from 'node:util'
import { SeedSearch } from './seed-search.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '1' },
    'until-failures': { type: 'string', default: '1' },
    only: { type: 'boolean', default: false },
  },
})

const search = new SeedSearch({
  firstSeed: Number(values.seed),
  cpuSeconds: values.only ? 0 : Number(values.minutes) * 60,
  failuresWanted: Number(values['until-failures']),
  onSeed: ({ setting, trace, violations, elections, agreed, simulatedMs }) => {
    const length = `${Math.round(simulatedMs / 1000)} s`
    console.log(
      `seed ${setting.seed}: ${length}, ${elections} elections, ${agreed} entries, trace ${trace}`,
    )
    for (const { rule, what, atMs } of violations) {
      console.log(`  VIOLATED ${rule} after ${atMs} ms: ${what}`)
    }
  },
})
await search.run()
console.log(search.describe())
process.exit(search.failed.length > 0 ? 1 : 0)
