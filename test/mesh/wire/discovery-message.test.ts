import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Json } from '../../../mesh/base/json.ts'
import { nodeId } from '../../../mesh/base/ids.ts'
import type { Section } from '../../../mesh/discovery/section.ts'
import {
  decodeDifferences,
  decodePublishedRecords,
  decodeSummary,
  decodeSyncAnswer,
  decodeSyncQuestion,
  encodeDifferences,
  encodePublishedRecords,
  encodeSummary,
  encodeSyncAnswer,
  encodeSyncQuestion,
} from '../../../mesh/wire/discovery-message.ts'
import { encodeJson, isRefused } from '../../../mesh/wire/frames.ts'

const node = nodeId('n'.repeat(25))
const section: fc.Arbitrary<Section> = fc
  .tuple(
    fc.nat(1000),
    fc.nat(100),
    fc.array(fc.tuple(fc.string({ minLength: 1, maxLength: 20 }), fc.json({ maxDepth: 3 }))),
  )
  .map(([since, extra, values]) => ({
    node,
    epoch: 5,
    since,
    through: since + extra,
    isWhole: extra % 2 === 0,
    records: values.map(([key, value], at) => ({
      version: since + 1 + at,
      key,
      value: JSON.parse(value) as Json,
    })),
  }))

test('sections, questions and answers come back as they were sent', () => {
  fc.assert(
    fc.property(section, fc.boolean(), (given, isWhole) => {
      const digest = [{ node, epoch: 5, through: 9 }]
      const question = { groups: [0, 63], digest, sections: [given] }
      assert.deepEqual(decodePublishedRecords(encodePublishedRecords(given)), given)
      assert.deepEqual(decodeSyncQuestion(encodeSyncQuestion(question)), question)
      const answer = { digest, sections: [given], isWhole }
      const summary = { salt: 7, sums: [0, 2 ** 32 - 1] }
      assert.deepEqual(decodeSummary(encodeSummary(summary)), summary)
      assert.deepEqual(decodeDifferences(encodeDifferences([3, 4])), [3, 4])
      assert.deepEqual(decodeSyncAnswer(encodeSyncAnswer(answer)), answer)
    }),
    { numRuns: 100 },
  )
})

test('what breaks the promise of a section is refused', () => {
  const refusals = [
    [node, 1, 5, 4, true, []],
    [node, 1, 5, 9, true, [[5, 'x', 1]]],
    ['short', 1, 0, 0, true, []],
    [node, -1, 0, 0, true, []],
    [node, 2 ** 53, 0, 0, true, []],
    [node, 1, 0, 1, true, [[1, '', 1]]],
    [node, 1, 0, 1, true, [[1, 'x'.repeat(2000), 1]]],
    { node },
  ]
  const accepted = [node, 1, 0, 1, true, [[1, 'x', 1]]]
  assert.ok(!isRefused(decodePublishedRecords(encodeJson(accepted))))
  for (const refused of refusals) {
    assert.ok(isRefused(decodePublishedRecords(encodeJson(refused))), JSON.stringify(refused))
  }
})

test('values nested too deep, and frames too long, are refused without harm', () => {
  const deep = `["${node}",1,0,1,true,[[1,"x",${'['.repeat(9000)}${']'.repeat(9000)}]]]`
  assert.ok(isRefused(decodePublishedRecords(new TextEncoder().encode(deep))))
  assert.ok(isRefused(decodePublishedRecords(new Uint8Array(200_000))))
})

test('damaged bytes never throw', () => {
  fc.assert(
    fc.property(section, fc.nat(), fc.nat(255), (given, at, byte) => {
      const bytes = encodeSyncQuestion({ groups: [1], digest: [], sections: [given] })
      bytes[at % bytes.length] = byte
      assert.doesNotThrow(() => decodeSyncQuestion(bytes))
    }),
    { numRuns: 200 },
  )
})
