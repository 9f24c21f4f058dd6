/**
 * Whole clusters from seeds, until the time is over or a promise is broken:
 *
 *     bin/node test/sim/run.ts [--control] [--seed 1] [--minutes 1] [--until-failures 1] [--only]
 *
 * What is played is how managers agree; with `--control` what leaders, agents and engines make of
 * what was agreed on. `--minutes` are of this processor's time. `--only` plays just the one seed, to
 * look at a failure again: a seed always plays the same. The exit code says whether all seeds passed.
 */
import { parseArgs } from 'node:util'
import { ControlSearch } from './control/control-search.ts'
import { RaftSearch } from './raft-search.ts'
import type { Violation } from './violation.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '1' },
    'until-failures': { type: 'string', default: '1' },
    only: { type: 'boolean', default: false },
    control: { type: 'boolean', default: false },
  },
})

const firstSeed = Number(values.seed)
const cpuSeconds = values.only ? 0 : Number(values.minutes) * 60
const failuresWanted = Number(values['until-failures'])

const inSeconds = (ms: number): string => `${Math.round(ms / 1000)} s`

function tell(facts: string, violations: readonly Violation[]): void {
  console.log(facts)
  for (const { rule, what, atMs } of violations) {
    console.log(`  VIOLATED ${rule} after ${atMs} ms: ${what}`)
  }
}

const agreement = (): RaftSearch =>
  new RaftSearch({
    firstSeed,
    cpuSeconds,
    failuresWanted,
    onSeed: ({ seed, trace, violations, elections, agreed, simulatedMs }) => {
      const facts = `${inSeconds(simulatedMs)}, ${elections} elections, ${agreed} entries`
      tell(`seed ${seed}: ${facts}, trace ${trace}`, violations)
    },
  })

const control = (): ControlSearch =>
  new ControlSearch({
    firstSeed,
    cpuSeconds,
    failuresWanted,
    onSeed: ({ seed, trace, violations, passes, starts, simulatedMs, convergedMs }) => {
      const rest = convergedMs === null ? 'no rest' : `at rest after ${inSeconds(convergedMs)}`
      const facts = `${inSeconds(simulatedMs)}, ${passes} passes, ${starts} containers, ${rest}`
      tell(`seed ${seed}: ${facts}, trace ${trace}`, violations)
    },
  })

const search = values.control ? control() : agreement()
await search.run()
console.log(search.describe())
process.exit(search.failed.length > 0 ? 1 : 0)
