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

const told = (text: string): string | null => runTranscript('made-up.txt', text).difference
const nodes = (options = ''): string => `add-nodes 1 voters=(1) index=2 ${options}\n----\nok\n`

test('what is left out fails with one line that names it, before anything is run', () => {
  const wrong = 'raft-state\n----\nno such state\n'
  const leftOut = [
    [nodes('async-storage-writes=true'), 'line 1: asynchronous storage writes: left out here'],
    [
      `${nodes()}\n${wrong}\nprocess-append-thread 1\n----\nok\n`,
      /^line 9: asynchronous .*out here$/,
    ],
    [`${nodes()}\nprocess-apply-thread 1\n----\nok\n`, /^line 5: asynchronous .*out here$/],
    [`${nodes()}\n${wrong}\nforget-leader 1\n----\nok\n`, /^line 9: forget-leader: left out here$/],
  ] as const
  for (const [text, line] of leftOut) {
    if (typeof line === 'string') assert.equal(told(text), line)
    else assert.match(told(text) ?? '', line)
  }
})

test('other transcripts of that format run, with every option that etcd gives nodes', () => {
  const options = [
    'async-storage-writes=false',
    'prevote=true checkquorum=true inflight=7',
    'max-committed-size-per-ready=512 disable-conf-change-validation=true',
    'read-only=lease-based checkquorum=true step-down-on-removal=true',
    'content=state learners=(2)',
  ]
  for (const each of options) {
    const elected = '1: StateLeader (Voter) Term:1 Lead:1'
    const campaign = `campaign 1\n----\nok\n\nstabilize log-level=none\n----\nok\n`
    assert.equal(told(`${nodes(each)}\n${campaign}\nraft-state\n----\n${elected}\n`), null, each)
  }
})
