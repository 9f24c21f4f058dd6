import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { runTranscript, runTranscripts } from './transcripts.ts'

/** The cases are other people's: they lie beside the checkout, and nothing of them is kept in it. */
const shared = join(import.meta.dirname, '../../../shared/etcd-raft-testdata')
const isRequired = process.env['MESH_REQUIRE_SHARED'] === '1'
const skip =
  !existsSync(shared) && !isRequired && `no etcd-raft-testdata in ../shared beside the checkout`

for (const folder of ['quorum', 'confchange', 'interaction']) {
  test(`every ${folder} case of etcd's Raft comes out as written there`, { skip }, () => {
    const results = runTranscripts(join(shared, folder))
    assert.ok(results.length > 0, `no cases in ${folder}`)
    for (const { file, difference } of results) {
      assert.equal(difference, null, `${file}: ${difference}`)
    }
  })
}

test('a transcript that says something else is told by its first different line', () => {
  const text = 'vote cfg=(1,2) votes=(y,_)\n----\nVotePending\n\nvote\n----\nVoteLost\n'
  const { cases, difference } = runTranscript('made-up.txt', text)
  assert.equal(cases, 2)
  assert.match(difference ?? '', /line 5: vote, output line 1/)
  assert.match(difference ?? '', /expected: VoteLost/)
  assert.match(difference ?? '', /actual: {3}VoteWon/)
})
