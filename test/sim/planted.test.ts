import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bugsInElections } from './planted/bugs-in-elections.ts'
import { bugsInSnapshotsAndReads } from './planted/bugs-in-snapshots-and-reads.ts'
import { bugsInTheLog } from './planted/bugs-in-the-log.ts'
import { hunt } from './planted/plant.ts'

const seedsWanted = 3
/** Of processor time, for each seed that finds the bug. */
const cpuSecondsPerSeed = 60

// Two at a time: the hunts are processes of their own, and machines have two cores at least.
test('every planted bug is found by three seeds', { concurrency: 2 }, async (context) => {
  const bugs = [...bugsInElections, ...bugsInTheLog, ...bugsInSnapshotsAndReads]
  const hunts = bugs.map((bug) =>
    context.test(bug.name, async () => {
      const found = await hunt(bug, {
        failuresWanted: seedsWanted,
        cpuSeconds: seedsWanted * cpuSecondsPerSeed,
      })
      const facts = `${found.seeds} seeds in ${found.cpuSeconds} CPU seconds`
      assert.equal(found.failedSeeds.length, seedsWanted, facts)
    }),
  )
  await Promise.all(hunts)
})
